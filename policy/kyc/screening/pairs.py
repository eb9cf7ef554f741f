"""
How well names are matched, on pairs of which somebody said whether they are one party's.

A file of pairs is CSV with the columns ``name1``, ``name2`` and ``is_match`` (true or false); others are passed over.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from policy.kyc.problems import KycError, KycProblem
from policy.kyc.screening.match import compare
from policy.kyc.screening.names import read_names
from policy.kyc.written import Broken, content_of, csv_records, text_of

NEEDED = ("name1", "name2", "is_match")
ANSWERS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredPair:
    """The score of one pair, and whether they are one party's."""

    score: float
    is_match: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a threshold would find: pairs rightly found, wrongly found, and missed."""

    threshold: float
    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float | None:
        """Of what was found the part that was right; none where nothing was found."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else None

    @property
    def recall(self) -> float | None:
        """Of what is there the part that was found; none where there is nothing to find."""
        return self.right / (self.right + self.missed) if self.right + self.missed else None

    @property
    def f1(self) -> float | None:
        """The harmonic mean of both; none where there is nothing to find and nothing was found."""
        whole = 2 * self.right + self.wrong + self.missed
        return 2 * self.right / whole if whole else None


def score_of(first: str, second: str) -> float:
    """How much two texts resemble each other: the best of all names that can be read out of them."""
    scores = [compare(one, other).score for one in read_names(first) for other in read_names(second)]
    return max(scores, default=0.0)


def measure(pairs: Sequence[ScoredPair], threshold: float) -> Measured:
    """What a threshold finds of these pairs."""
    return Measured(
        threshold=threshold,
        right=sum(pair.score >= threshold and pair.is_match for pair in pairs),
        wrong=sum(pair.score >= threshold and not pair.is_match for pair in pairs),
        missed=sum(pair.score < threshold and pair.is_match for pair in pairs),
    )


def read_pairs(path: Path) -> tuple[ScoredPair, ...]:
    """Read and score a file of pairs. Raises :class:`KycError` with every row that is none."""
    try:
        rows = list(_rows(path))
    except Broken as broken:
        line, problem, expected = broken.said
        raise KycError(path, [_problem(path, line, "whole file", problem, expected)]) from broken
    problems = [row for row in rows if isinstance(row, KycProblem)]
    pairs = tuple(row for row in rows if isinstance(row, ScoredPair))
    if problems or not pairs:
        raise KycError(path, problems or [_problem(path, 1, "whole file", "has no pair", "a pair or more")])
    return pairs


def _rows(path: Path) -> Iterator[ScoredPair | KycProblem]:
    records = csv_records(text_of(content_of(path)))
    _, header = next(records, (1, []))
    if missing := [name for name in NEEDED if name not in header]:
        raise Broken(1, f"the column {missing[0]} is missing", f"CSV with the columns {', '.join(NEEDED)}")
    for line, record in records:
        row = dict.fromkeys(NEEDED, "") | dict(zip(header, record, strict=False))
        is_match = ANSWERS.get(row["is_match"].casefold())
        if is_match is None or not row["name1"] or not row["name2"]:
            yield _problem(path, line, "whole row", "is no pair", "two names, and true or false")
        else:
            yield ScoredPair(score=score_of(row["name1"], row["name2"]), is_match=is_match)


def _problem(path: Path, line: int, column: str, problem: str, expected: str) -> KycProblem:
    return KycProblem(
        file=path.name, line=line, column=column, value="(not repeated)", problem=problem, expected=expected
    )
