"""
The part of flopwatch that runs on every GPU node.

It reads GPU use through NVML, finds who holds each GPU, adds both up into counters that only grow, and serves them as
metrics. It never imports :mod:`policy`: the wire contract (:mod:`collector.contract`) is all the two share.
"""
