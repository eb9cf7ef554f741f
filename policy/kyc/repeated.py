"""
What may be repeated of a cell: errors reach terminals, logs and tickets, and a name must reach none of them.

In a shifted row any cell may hold a name, so what counts is how a text looks, whatever its column: a code, a day, a
number or an opaque id is repeated; a word is not, for a name is one. An id that somebody made of a name and a number
looks like any other id: that ids are opaque is believed.
"""

import re

from policy.kyc.vocabulary import DISPERSED, SELF

NOT_REPEATED = "(not repeated here)"
LONGEST = 40
"""A guess: more than an id needs that people compare by eye."""
LONGEST_REFERENCE = 200
"""As long as ids may be: a hash has up to 128 digits and the name of its method."""
_CODE = re.compile(r"[A-Z]{1,3}|[a-z]{1,3}", re.ASCII)
_WITH_DIGIT = re.compile(r"(?=[^0-9]*[0-9])[A-Za-z0-9_.:/#+-]+", re.ASCII)
_NUMBER = re.compile(r"[+-]?[0-9][0-9.,']*%?", re.ASCII)
_ENTRY = re.compile(r"[A-Za-z0-9_.-]+:[A-Za-z0-9_.:/#+-]+@[0-9a-f]+", re.ASCII)  # of a list, and its digest
_WORDS = ("", "unknown", SELF, DISPERSED)


def repeated(text: str) -> str:
    """A cell in quotes where it may be repeated, else words that stand for it."""
    return repr(text) if len(text) <= LONGEST and _is_harmless(text) else NOT_REPEATED


def is_reference(text: str) -> bool:
    """Whether a text is a reference, as a hash or the number of a record, and not words; or several with spaces."""
    return all(len(each) <= LONGEST_REFERENCE and _is_harmless(each) for each in text.split(" "))


def _is_harmless(text: str) -> bool:
    alone = text.strip(" ")
    is_word = alone.casefold() in _WORDS
    return is_word or any(form.fullmatch(alone) for form in (_CODE, _WITH_DIGIT, _NUMBER, _ENTRY))
