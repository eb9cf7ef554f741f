"""What several queries in PromQL have in common. Pure."""

import json
from collections.abc import Iterable


def quoted(values: Iterable[str]) -> str:
    """A regular expression, as a PromQL string, that matches exactly these values."""
    return json.dumps("|".join(_escaped(value) for value in values), ensure_ascii=False)


def _escaped(value: str) -> str:
    """RE2 takes a backslash before any punctuation, and before nothing else."""
    return "".join(each if each.isalnum() or not each.isascii() else f"\\{each}" for each in value)
