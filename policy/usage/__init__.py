"""Usage: counters become windows, windows become the ledger. Where the measuring ends and the reasoning begins."""
