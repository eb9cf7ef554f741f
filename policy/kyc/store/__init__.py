"""The store of what is known: versions that nothing overwrites, and what is different between two of them."""
