"""``flopwatch tenants``: what is known about tenants and the parties behind them, and how it comes in."""

from policy.commands.tenants.command import add

__all__ = ["add"]
