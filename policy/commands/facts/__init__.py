"""``flopwatch facts``: a command with parts, each topic's sheet in a module of its own."""

from policy.commands.facts.command import add

__all__ = ["add"]
