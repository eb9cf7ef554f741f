"""What a file has written, as every reader of know-your-customer files takes it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.screening import CODES

from policy.kyc.importing.gleif import read_gleif
from policy.kyc.importing.statements import read_statements
from policy.kyc.problems import KycError, KycProblem
from policy.kyc.registers.billing import read_billing
from policy.kyc.screening.lists import read_list
from policy.kyc.screening.pairs import read_pairs
from policy.kyc.written import NoObject, Number, json_object

GLEIF = "LEI,Relationship.StartNode.NodeID,Relationship.EndNode.NodeID,Relationship.RelationshipType"


def refused(read: Callable[[Path], object], path: Path) -> KycProblem:
    """The only problem that a reader raises."""
    with pytest.raises(KycError) as caught:
        read(path)
    return caught.value.problems[-1]


def noted(read: Callable[..., object], path: Path) -> KycProblem:
    """The last problem that a reader notes."""
    return read(path.name, path.read_bytes()).problems[-1]  # type: ignore[attr-defined,no-any-return]


READERS: dict[str, Callable[[Path], KycProblem]] = {
    "subject,predicate,value\np-1,kind,branch\n": lambda path: noted(read_statements, path),
    f"{GLEIF}\n,a,b,c\n": lambda path: noted(read_gleif, path),
    "list,entry,name\nEL,e-1,Example\n": lambda path: refused(lambda each: read_list(each, CODES), path),
    "tenant_id,date,gpu_hours\nt-1,2026-07-01,1\n": lambda path: refused(read_billing, path),
    "name1,name2,is_match\na,b,true\n": lambda path: refused(read_pairs, path),
}
"""Two good lines of each form, with what comes of reading a file."""


@pytest.mark.parametrize("good", READERS)
@pytest.mark.parametrize(
    ("bad", "line", "said"),
    [
        ("\n\"a\n'b", 4, "no CSV: unexpected end of data; expected cells parted by commas, quotes closed"),
        ('\n\n\x00"b" c,"d" e', 5, "no CSV: ',' expected after '\"'; expected cells parted by commas, quotes closed"),
    ],
)
def test_every_reader_says_the_same(tmp_path: Path, good: str, bad: str, line: int, said: str) -> None:
    """Where a file is no CSV from some line on, every reader says so in the same words and with the same line."""
    path = tmp_path / "file.csv"
    path.write_bytes((good + bad).encode())
    problem = READERS[good](path)
    assert (problem.line, f"{problem.problem}; expected {problem.expected}") == (line, said)


@pytest.mark.parametrize(
    "text", ["", "[]", "3", '{"a": 1, "a": 2}', '{"a": {"b": 1, "b": 1}}', '{"a": NaN}', "[" * 100_000]
)
def test_what_is_no_object(text: str) -> None:
    """A text that is no object, or says one thing twice, is refused, and what it holds is not repeated."""
    with pytest.raises(NoObject, match=r"^(no JSON|JSON, but no object|the same key .*|a number that is none)$"):
        json_object(text)


@pytest.mark.parametrize("number", ["1.50", "-0", "1e999", "9" * 5000])
def test_numbers_as_written(number: str) -> None:
    """A number comes as it is written, and can be told from the same text in quotes."""
    found = json_object(f'{{"number": {number}, "text": "{number}"}}')
    assert [(str(each), isinstance(each, Number)) for each in found.values()] == [(number, True), (number, False)]
