"""
What flopwatch believes about law and hardware: dated facts, kept as TOML beside the code that reads them.

Every fact names its source, how well it is known, when the source was read and by when to look again. Nothing here
computes a verdict; :func:`policy.facts.reading.load_facts` is the one door to the files.
"""
