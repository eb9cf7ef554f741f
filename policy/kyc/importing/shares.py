"""
The share that an ownership states, in the ways in which registers write one: as a range in percent.

``50``, ``50.01%``, ``50,01 %``, ``25-50``, ``25% - 50%``, ``between 25 and 50``, ``>25%``, ``<= 10``,
``75-to-100-percent``, ``more than 25%``, ``more than 25% but not more than 50%``. Of several the range that holds all
of them. What is written in any other way, or is no share of a whole, is not known: the owner stays, and its share may
be anything.

``0.5`` may be half a percent, or half of the whole in a file that writes fractions: it is a range that holds both. With
a percent sign it is what it says.
"""

import re
from collections.abc import Iterable

Range = tuple[float | None, float | None]

UNKNOWN: Range = (None, None)
_NUMBER = r"(\d{1,3}(?:[.,]\d{1,9})?)"
_AT_LEAST = r"(?:>=?|≥|morethan|over|above|atleast)"
_AT_MOST = r"(?:<=?|≤|lessthan|under|below|upto|notmorethan|nomorethan|atmost)"
_EXACT = re.compile(_NUMBER)
_BETWEEN = re.compile(rf"(?:between|from)?{_NUMBER}(?:-to-|to|and|-){_NUMBER}")
_ABOVE = re.compile(rf"{_AT_LEAST}{_NUMBER}|{_NUMBER}(?:\+|ormore|andmore)")
_BELOW = re.compile(rf"{_AT_MOST}{_NUMBER}|{_NUMBER}orless")
_BOTH = re.compile(rf"{_AT_LEAST}{_NUMBER}(?:but|and|,|;)*{_AT_MOST}{_NUMBER}")
_FILLING = re.compile(r"\s|%|-?percent")


def share_range(texts: Iterable[str]) -> Range:
    """The lowest and the highest share that these texts leave open, in percent; nulls where it is not known."""
    ranges = [_range(text) for text in texts]
    lows = [low for low, _ in ranges if low is not None]
    highs = [high for _, high in ranges if high is not None]
    if not ranges or len(lows) != len(ranges) or len(highs) != len(ranges):
        return UNKNOWN
    return min(lows), max(highs)


def _range(text: str) -> Range:
    """One text; nulls if it is written in a way that is not known here, or out of 0 to 100."""
    plain = _FILLING.sub("", text.casefold().replace("–", "-").replace("—", "-"))
    low, high = _ends(plain)
    if low is not None and low == high and low <= 1 and "%" not in text:
        high = low * 100
    return (low, high) if low is not None and high is not None and 0 <= low <= high <= 100 else UNKNOWN


def _ends(plain: str) -> Range:
    if found := _EXACT.fullmatch(plain):
        return _number(found[1]), _number(found[1])
    if found := _BETWEEN.fullmatch(plain):
        return _number(found[1]), _number(found[2])
    if found := _BOTH.fullmatch(plain):
        return _number(found[1]), _number(found[2])
    if found := _ABOVE.fullmatch(plain):
        return _number(found[1] or found[2]), 100.0
    if found := _BELOW.fullmatch(plain):
        return 0.0, _number(found[1] or found[2])
    return UNKNOWN


def _number(text: str) -> float:
    return float(text.replace(",", "."))
