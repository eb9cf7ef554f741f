"""
How well names are matched, on pairs of which somebody said whether they are one party's.

A file of pairs is CSV with the columns ``name1``, ``name2`` and ``is_match`` (true or false); others are passed over.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from policy.kyc.problems import KycError, KycProblem
from policy.kyc.screening.match import compare
from policy.kyc.screening.names import read_names

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
    except OSError as error:
        raise _error(path, 1, "whole file", f"cannot be read: {error.strerror}", "a file to read") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise _error(path, 1, "whole file", "no CSV in UTF-8", f"CSV with {', '.join(NEEDED)}") from error
    problems = [row for row in rows if isinstance(row, KycProblem)]
    pairs = tuple(row for row in rows if isinstance(row, ScoredPair))
    if problems or not pairs:
        raise KycError(path, problems or [_problem(path, 1, "whole file", "has no pair", "a pair or more")])
    return pairs


def _rows(path: Path) -> Iterator[ScoredPair | KycProblem]:
    rows = csv.DictReader(StringIO(path.read_bytes().decode("utf-8-sig"), newline=""), strict=True)
    missing = [name for name in NEEDED if name not in (rows.fieldnames or ())]
    if missing:
        raise _error(path, 1, missing[0], "the column is missing", f"the columns {', '.join(NEEDED)}")
    for row in rows:
        is_match = ANSWERS.get((row["is_match"] or "").casefold())
        if is_match is None or not row["name1"] or not row["name2"]:
            yield _problem(path, rows.line_num, "whole row", "is no pair", "two names, and true or false")
        else:
            yield ScoredPair(score=score_of(row["name1"], row["name2"]), is_match=is_match)


def _problem(path: Path, line: int, column: str, problem: str, expected: str) -> KycProblem:
    return KycProblem(
        file=path.name, line=line, column=column, value="(not repeated)", problem=problem, expected=expected
    )


def _error(path: Path, line: int, column: str, problem: str, expected: str) -> KycError:
    return KycError(path, [_problem(path, line, column, problem, expected)])
