"""The collector's settings: declared once, explained by groups, read from flags and environment, and checked."""

from collector.settings.fields import Settings, environment_name
from collector.settings.help import GROUPS
from collector.settings.read import read_settings

__all__ = ["GROUPS", "Settings", "environment_name", "read_settings"]
