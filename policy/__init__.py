"""
The part of flopwatch that runs once, in the centre.

It turns the collectors' counters into compute per run, judges whether it is training, links it to the tenant's
know-your-customer file, applies dated rules, and opens tickets. People decide.
"""
