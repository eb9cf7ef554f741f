"""How well the product does on recorded truth: runs of known compute, and workloads of known kind."""
