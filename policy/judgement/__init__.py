"""Judgement: how much compute, which run, is it training, and how does it add up. Pure frames in, pure frames out."""
