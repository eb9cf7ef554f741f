"""Why somebody decided: words that are understood years later. One check, whatever is decided."""

from policy.review.errors import ReasonMissing

MINIMUM_REASON_CHARACTERS = 10
"""
Keeps out "ok" and "n/a"; whether a reason is good cannot be counted. A guess.

Characters that can be seen: neither blanks, nor what has no width, nor what only steers a terminal.
"""


def checked_reason(about: str, reason: str) -> str:
    """The reason without the blanks around it; too short a one is refused. ``about``: as ``ticket T-1``."""
    text = reason.strip()
    if sum(each.isprintable() and not each.isspace() for each in text) < MINIMUM_REASON_CHARACTERS:
        raise ReasonMissing(about=about, minimum_characters=MINIMUM_REASON_CHARACTERS)
    return text
