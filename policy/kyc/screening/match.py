"""
How much two names resemble each other, and why.

Words are put beside words: the same, one sound in another spelling, a typing error apart, several written as one, or
initials. What is found on both sides speaks for, what is not speaks against, by weight. Another word in a word's place
speaks most (an oil company is not the gas company); a word more on one side speaks little (a name cut short), unless it
is one that tells sisters apart: a number, a country, a direction. A legal form decides nothing, except that what nobody
can own is no company.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from policy.kyc.screening.alignment import Alignment, Pair, align, weight_of
from policy.kyc.screening.names import Name
from policy.kyc.screening.spelling import DISTINGUISHING
from policy.kyc.screening.words import SHORT, Kind, Word

REPLACED = 2.0
"""One word where the other name has another: weighs on both sides."""
EXTRA = 0.35
"""A word more on one side. A guess: half a name is often the whole of it in conversation."""
EXTRA_TO_RARE = 0.15
"""A common word more, where what agrees is rare: few houses share two names, or one of seven letters. A guess."""
RARE_LETTERS = 7
EXTRA_DISTINGUISHING = 0.6
"""A number, a country or a direction more on one side: a sister of it, as often as not."""
EXTRA_ASIDE = 0.15
"""A word more in parentheses: an explanation, as a rule."""
EXTRA_OF_NOBODY = 1.0
"""A word more, where no word of its own is found in both names: nothing but general words agree."""
IN_SERIES = 0.15
"""Another number in a fund, trust or issue of one house: its next one, which a reviewer of the house wants to see."""
MOST_EXTRA = 0.35
"""
The most that words more cost, of what agrees, where all of one name stands in the other and only general words more.

A business, a country and a legal form behind a name make no other name of it: such a hit is shown and not yet possible.
"""
LEAST_CONTAINED_LETTERS = 5
OTHER_ORDER = 0.02
OTHER_ORDER_OF_SHORT = 0.3
"""Where all that agrees are words of three letters or fewer, their order is half of what they tell."""
OTHER_FORM = 0.02
OTHER_KIND_OF_FORM = 0.25
"""A foundation or an autonomous non-profit organisation is not the company of that name, and no owner makes it so."""
_HOW = {"spelling": " (spelling)", "joined": " (written as one)", "initials": " (initials)"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What came of comparing two names; ``first`` is the party's and is shown only to who may see it."""

    score: float
    pairs: tuple[Pair, ...] = ()
    only_first: tuple[Word, ...] = ()
    only_second: tuple[Word, ...] = ()
    notes: tuple[str, ...] = ()

    def explain(self) -> str:
        """Say which words agree and which do not, in the entry's words; of the party's own only how many."""
        parts = [f"agrees: {', '.join(map(_shown_pair, self.pairs))}" if self.pairs else "no word agrees"]
        if self.only_second:
            parts.append(f"only in the entry: {_texts(self.only_second)}")
        if self.only_first:
            parts.append(f"only in the party's name: {_count(len(self.only_first))}")
        return "; ".join([*parts, *self.notes])


def compare(first: Name, second: Name, home: frozenset[str] = frozenset()) -> Comparison:
    """
    Compare two names. The score is from 0 to 1 and the same from either side.

    ``home``: codes of countries in which one of them is; such a country in a name, and not in the other, tells nothing.
    """
    return _judged(align(first, second), home)


def _judged(board: Alignment, home: frozenset[str]) -> Comparison:
    only_first = _left(board.first, board.left_first)
    only_second = _left(board.second, board.left_second)
    found = sum(pair.weight * pair.likeness for pair in board.pairs)
    lost = sum(pair.weight * (1 - pair.likeness) * REPLACED for pair in board.pairs)
    cost = _cost(board, only_first, only_second, home)
    if _is_contained(board, only_first, only_second):
        cost = min(cost, MOST_EXTRA * found)
    notes, taken = _notes(board)
    score = found / (found + lost + cost) if found else 0.0
    return Comparison(
        score=round(max(0.0, score - taken), 4) if found else 0.0,
        pairs=tuple(pair for pair in board.pairs if pair.weight),
        only_first=only_first,
        only_second=only_second,
        notes=notes,
    )


def _is_contained(board: Alignment, first: tuple[Word, ...], second: tuple[Word, ...]) -> bool:
    """Whether one name is the other with general words more, and a name of its own is the same in both."""
    more = first or second
    return (
        not (first and second)
        and all(word.kind not in (Kind.OWN, Kind.NUMBER) for word in more)
        and any(
            pair.likeness == 1
            and pair.first[0].kind is Kind.OWN
            and sum(len(word.text) for word in pair.first) >= LEAST_CONTAINED_LETTERS
            for pair in board.pairs
        )
    )


def _is_own(word: Word) -> bool:
    return word.kind in (Kind.OWN, Kind.NUMBER) and len(word.key) > 1


def _left(name: Name, places: Iterable[int]) -> tuple[Word, ...]:
    return tuple(name.words[at] for at in places if name.words[at].weight)


def _cost(board: Alignment, first: tuple[Word, ...], second: tuple[Word, ...], home: frozenset[str]) -> float:
    """What is not found on the other side: as far as both have something left one stands in the other's place."""
    own = [pair for pair in board.pairs if any(map(_is_own, (*pair.first, *pair.second)))]
    if own and _are_numbers(first, second) and _is_series(board):
        return IN_SERIES * (weight_of(first) + weight_of(second)) / 2
    replaced = min(weight_of(first), weight_of(second))
    more = first if weight_of(first) > weight_of(second) else second
    if not more:
        return 0.0
    extra = sum(word.weight * _extra(word, home, own) for word in more)
    share = 1 - replaced / weight_of(more)
    return REPLACED * replaced + extra * share


def _extra(word: Word, home: frozenset[str], own: list[Pair]) -> float:
    """How much of its weight a word more costs, beside the pairs in which names of their own are found."""
    if word.kind is Kind.COUNTRY and word.key in home:
        return 0.0
    if word.aside:
        return EXTRA_ASIDE
    if not own:
        return EXTRA_OF_NOBODY
    if word.kind in DISTINGUISHING:
        return EXTRA_DISTINGUISHING
    return EXTRA_TO_RARE if word.kind is Kind.COMMON and _is_rare(own) else EXTRA


def _is_rare(own: list[Pair]) -> bool:
    return len(own) > 1 or any(len(word.text) >= RARE_LETTERS for pair in own for word in (*pair.first, *pair.second))


def _are_numbers(first: tuple[Word, ...], second: tuple[Word, ...]) -> bool:
    return bool(first or second) and all(word.kind is Kind.NUMBER for word in (*first, *second))


def _is_series(board: Alignment) -> bool:
    return any(word.in_series for pair in board.pairs for word in pair.first)


def _notes(board: Alignment) -> tuple[tuple[str, ...], float]:
    """What else speaks against, and how much."""
    notes, taken = list[str](), 0.0
    if not board.is_in_order:
        notes.append("in another order")
        telling = [word for pair in board.pairs for word in pair.first if word.weight]
        taken += OTHER_ORDER_OF_SHORT if all(len(word.text) <= SHORT for word in telling) else OTHER_ORDER
    first, second = board.first.forms, board.second.forms
    if first and second and not {form.class_ for form in first} & {form.class_ for form in second}:
        if {form.is_nonprofit for form in first} != {form.is_nonprofit for form in second}:
            return (*notes, "one is a company and the other has no owners"), taken + OTHER_KIND_OF_FORM
        notes.append("another legal form")
        taken += OTHER_FORM
    return tuple(notes), taken


def _texts(words: tuple[Word, ...]) -> str:
    return " ".join(word.text for word in words)


def _count(number: int) -> str:
    return "1 word" if number == 1 else f"{number} words"


def _shown_pair(pair: Pair) -> str:
    """The entry's words: they are public."""
    return _texts(pair.second) + _HOW.get(pair.how, "")
