"""
Two names with their words put beside one another: what stands for what, and what finds no place.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from policy.kyc.screening.names import Name
from policy.kyc.screening.spelling import is_joined, likeness_of
from policy.kyc.screening.words import SHORT, Kind, Word

INITIALS = 0.9
"""How much initials count of what they stand for: other names have the same ones."""
LONGEST_INITIALS = 8


@dataclass(frozen=True, slots=True)
class Pair:
    """Words that stand for one another. ``likeness``: 1 where they are the same."""

    first: tuple[Word, ...]
    second: tuple[Word, ...]
    likeness: float
    how: str

    @property
    def weight(self) -> float:
        """How much they tell: the mean of both sides, so that it is the same from either."""
        if len(self.first) == len(self.second) == 1:
            return (self.first[0].weight + self.second[0].weight) / 2
        if self.how == "initials":  # the side that spells it out is what they stand for
            return max(weight_of(self.first), weight_of(self.second))
        return (weight_of(self.first) + weight_of(self.second)) / 2


@dataclass(slots=True)
class Alignment:
    """Both names; the places of words that are ``left`` have found none beside them."""

    first: Name
    second: Name
    left_first: list[int] = field(default_factory=list)
    left_second: list[int] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    is_in_order: bool = True


def _pair_words(board: Alignment) -> None:
    """The best pairs first, heavier words before lighter ones."""
    first, second = board.first.words, board.second.words
    found = [
        (likeness * (first[at].weight + second[beside].weight), -abs(at - beside), at, beside, likeness)
        for at in board.left_first
        for beside in board.left_second
        if (likeness := likeness_of(first[at], second[beside]))
    ]
    found.sort(key=lambda each: (-each[0], -each[1], each[2] + each[3], abs(each[2] - each[3])))
    taken_first, taken_second = dict[int, int](), set[int]()
    for _, _, at, beside, likeness in found:
        if at not in taken_first and beside not in taken_second:
            taken_first[at] = beside
            taken_second.add(beside)
            board.pairs.append(Pair((first[at],), (second[beside],), likeness, _how(likeness)))
    weighty = [taken_first[at] for at in sorted(taken_first) if first[at].weight]
    board.is_in_order = weighty == sorted(weighty)
    board.left_first = [at for at in board.left_first if at not in taken_first]
    board.left_second = [at for at in board.left_second if at not in taken_second]


def _how(likeness: float) -> str:
    return "same" if likeness == 1 else "spelling"


def _pair_runs(board: Alignment) -> None:
    """Several words in a row on one side are one on the other: van der Bilt, Ya Mahdi."""
    for one_first in (True, False):
        one, left_one = (board.first, board.left_first) if one_first else (board.second, board.left_second)
        many, left_many = (board.second, board.left_second) if one_first else (board.first, board.left_first)
        if len(left_many) < 2:
            continue
        for at in [at for at in left_one if one.words[at].kind is Kind.OWN]:
            word = one.words[at]
            run = next((run for run in _runs(left_many) if is_joined(word, many.words[run[0] : run[-1] + 1])), None)
            if run is not None:
                words = many.words[run[0] : run[-1] + 1]
                first, second = ((word,), words) if one_first else (words, (word,))
                board.pairs.append(Pair(first, second, 1.0, "joined"))
                left_one.remove(at)
                left_many[:] = [each for each in left_many if each not in run]


def _runs(left: list[int]) -> Iterator[range]:
    """Two or three words in a row that have found no place."""
    for length in (3, 2):
        for place in range(len(left) - length + 1):
            if left[place + length - 1] - left[place] == length - 1:
                yield range(left[place], left[place] + length)


def _pair_initials(board: Alignment) -> None:
    """A word of three letters or more is the initials of everything that is left of the other name, words in a row."""
    for is_first in (True, False):
        one, left_one = (board.first, board.left_first) if is_first else (board.second, board.left_second)
        many, left_many = (board.second, board.left_second) if is_first else (board.first, board.left_first)
        words = tuple(many.words[at] for at in left_many if many.words[at].weight)
        letters = _initials(many, words) if _are_in_a_row(many, left_many) else ()
        at = next((at for at in left_one if may_be_initials(one.words[at]) and one.words[at].text in letters), None)
        if at is not None:
            pair = Pair((one.words[at],), words, INITIALS, "initials")
            board.pairs.append(pair if is_first else Pair(words, (one.words[at],), INITIALS, "initials"))
            left_one.remove(at)
            left_many.clear()


def _initials(name: Name, left: tuple[Word, ...]) -> tuple[str, ...]:
    """Those of the words that are left, and where these are the whole name those with its legal form, too."""
    letters = "".join(word.text[0] for word in left)
    whole = name.initials if len(left) == sum(bool(word.weight) for word in name.words) else ()
    return tuple(each for each in (letters, *whole) if SHORT <= len(each) <= LONGEST_INITIALS)


def _are_in_a_row(name: Name, left: list[int]) -> bool:
    """Whether nothing that tells stands between the words that are left."""
    telling = [at for at, word in enumerate(name.words) if word.weight]
    places = [telling.index(at) for at in left if name.words[at].weight]
    return not places or places[-1] - places[0] == len(places) - 1


def may_be_initials(word: Word) -> bool:
    """Whether a word may be initials: no table has it."""
    return word.kind in (Kind.OWN, Kind.NUMBER)


def runs_of_initials(name: Name) -> Iterator[str]:
    """Every text that could be the initials of some words in a row of a name."""
    letters = "".join(word.text[0] for word in name.words if word.weight)
    for length in range(SHORT, LONGEST_INITIALS + 1):
        for at in range(len(letters) - length + 1):
            yield letters[at : at + length]
    yield from (each for each in name.initials if len(each) <= LONGEST_INITIALS)


def weight_of(words: tuple[Word, ...]) -> float:
    """What words tell together."""
    return sum(word.weight for word in words)


def align(first: Name, second: Name) -> Alignment:
    """Put the words of one name beside those of the other."""
    board = Alignment(first=first, second=second)
    board.left_first, board.left_second = list(range(len(first.words))), list(range(len(second.words)))
    _pair_words(board)
    _pair_runs(board)
    _pair_initials(board)
    return board
