"""The rules: what they may say, the packs that ship, and the findings they make."""
