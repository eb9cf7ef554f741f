"""Scenarios that ship, a TOML file each: what is not so, or not yet. None of them is ever in force."""
