"""
What a reader gives back, and how it gets there: every row of a file is accepted or reported, never both or neither.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from policy.kyc.problems import KycError, KycProblem
from policy.kyc.repeated import NOT_REPEATED
from policy.kyc.statements import Statement
from policy.kyc.written import Broken, content_of

WHOLE_FILE = "whole file"
WHOLE_ROW = "whole row"
_A_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,59}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """
    A file as read.

    ``rows_in`` are the rows found, ``accepted`` those that gave statements, one row maybe several or, where it says
    nothing that is kept, none. Each other row has a problem with its line. ``unreadable``: the file as a whole is of no
    use, and nothing of it was accepted. ``part``: which of the source's parts it is, where a register publishes several
    files, each about something else; empty where a file may say anything. ``left_out``: how many of the accepted rows
    are of a kind of which nothing is kept, by what they are.
    """

    rows_in: int
    accepted: int
    statements: tuple[Statement, ...]
    problems: tuple[KycProblem, ...]
    unreadable: bool = False
    part: str = ""
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def reported(self) -> int:
        """How many rows were not accepted."""
        return self.rows_in if self.unreadable else len({each.line for each in self.problems})

    def whole(self, path: Path) -> tuple[Statement, ...]:
        """All statements, where every row gave its own. Raises KycError with every problem."""
        if self.problems:
            raise KycError(path, self.problems)
        return self.statements


class Unreadable(Exception):
    """Between a reader's own functions: the file cannot be read further. The problem has been noted."""


class Rows:
    """The rows of one file while it is read."""

    def __init__(self, file: str) -> None:
        """``file``: its name without its folder, as problems repeat it."""
        self._file = file
        self.part = ""
        self._taken: dict[int, tuple[Statement, ...]] = {}
        self._left_out: dict[int, str] = {}
        self._problems: list[KycProblem] = []
        self._unreadable = False

    def begin(self, line: int) -> None:
        """A row begins on this line, or is the so many-th of a file that has no lines."""
        self._taken[line] = ()

    def give(self, line: int, statements: Iterable[Statement]) -> None:
        """What the row says, if no problem is noted of it, now or later."""
        self._taken[line] = tuple(statements)

    def leave_out(self, line: int, what: str) -> None:
        """The row is of a kind of which nothing is kept; ``what``: which, in words that hold nothing of it."""
        self._taken[line] = ()
        self._left_out[line] = what

    def note(self, line: int, column: str, value: str, problem: str, expected: str) -> None:
        """What is wrong with a row. ``value`` is what may be repeated."""
        self._problems.append(
            KycProblem(file=self._file, line=line, column=column, value=value, problem=problem, expected=expected)
        )

    def spoil(self, line: int, column: str, value: str, problem: str, expected: str) -> None:
        """What makes the whole file useless, found where the reader can go on and find more."""
        self.note(line, column, value, problem, expected)
        self._unreadable = True

    def spoil_file(self, line: int, problem: str, expected: str, column: str = WHOLE_FILE) -> None:
        """The same of what is no matter of a cell."""
        self.spoil(line, column, "(the file)", problem, expected)

    def stop(self, line: int, problem: str, expected: str, column: str = WHOLE_FILE) -> NoReturn:
        """What makes the whole file useless, after which nothing can be read. Raises Unreadable."""
        self.spoil_file(line, problem, expected, column)
        raise Unreadable

    def stop_if_spoiled(self) -> None:
        """Raise Unreadable if the file is useless already."""
        if self._unreadable:
            raise Unreadable

    def read(self) -> Read:
        """What came of it."""
        bad = {each.line for each in self._problems}
        good = {} if self._unreadable else {line: said for line, said in self._taken.items() if line not in bad}
        return Read(
            rows_in=len(self._taken),
            accepted=len(good),
            statements=tuple(each for said in good.values() for each in said),
            problems=tuple(sorted(self._problems, key=lambda each: each.line)),
            unreadable=self._unreadable,
            part=self.part,
            left_out=dict(sorted(Counter(what for line, what in self._left_out.items() if line in good).items())),
        )


def bytes_of(path: Path) -> bytes:
    """The content of a file. Raises KycError."""
    try:
        return content_of(path)
    except Broken as broken:
        _, problem, expected = broken.said
        raise whole_file_error(path, problem, expected) from broken


def whole_file_error(path: Path, problem: str, expected: str) -> KycError:
    """What is wrong with a file before anything of it is read."""
    found = KycProblem(
        file=path.name, line=1, column=WHOLE_FILE, value="(the file)", problem=problem, expected=expected
    )
    return KycError(path, [found])


def shown_word(text: str) -> str:
    """A column's or a key's name as a problem may repeat it: one plain word. A sheet without header begins in names."""
    return text if _A_WORD.fullmatch(text) else NOT_REPEATED
