"""
A stand-in for what this machine lacks: a GPU driver, behind pynvml's own C-function boundary.

Only ``--simulate`` reaches it, and everything it produces carries ``provenance="simulated"`` to the end.
"""
