"""
What is wrong with a know-your-customer file, all of it at once, each with its place.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class KycProblem:
    """
    One thing to put right.

    ``line`` counts the lines of the file, the header being 1. ``value`` is the cell as written, or a description in
    parentheses where there is no cell or where it must not be repeated, because errors reach logs and names must not.
    """

    file: str
    line: int
    column: str
    value: str
    problem: str
    expected: str

    @property
    def text(self) -> str:
        """The problem in one line."""
        text = f"{self.file}:{self.line}, {self.column}, {self.value}: {self.problem}; expected {self.expected}"
        return _on_one_line(text)

    @property
    def place(self) -> str:
        """Where it is, for logs: what a cell holds is never logged, and a problem's words may repeat it."""
        return _on_one_line(f"{self.file}:{self.line}, {self.column}")


class KycError(ValueError):
    """A file that was not loaded, no part of it. ``problems`` holds every problem; the text lists the first 20."""

    def __init__(self, path: Path, problems: Iterable[KycProblem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda each: each.line))
        if len(self.problems) == 1:
            super().__init__(f"{path}: nothing was loaded; {self.problems[0].text}")
            return
        lines = [f"{path}: nothing was loaded, problems: {len(self.problems)}"]
        lines += [each.text for each in self.problems[:SHOWN]]
        if len(self.problems) > SHOWN:
            lines.append(f"and {len(self.problems) - SHOWN} more")
        super().__init__("\n".join(lines))


def _on_one_line(text: str) -> str:
    """A name of a column may have a line break in it."""
    return " ".join(text.splitlines())
