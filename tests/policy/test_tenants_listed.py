"""The list of all tenants, which is one table, gives what asking for each of them gives."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.judgement import unhurried

from policy.commands import sheet
from policy.commands.sheet import Grid, Sheet, print_sheet
from policy.commands.tenants.listed import LISTED, listed
from policy.kyc.directory import Directory
from policy.kyc.statements import Statement
from policy.kyc.view import View

DAY = date(2026, 7, 1)
DAYS = st.sampled_from([None, date(2026, 1, 1), date(2026, 6, 1), date(2026, 8, 1)])
VALUES = {
    "customer": st.sampled_from(["p-1", "p-2", "t-1"]),
    "headquarters_country": st.sampled_from(["CN", "DE", "SG"]),
    "verified_on": st.sampled_from(["2026-02-01", "2026-03-01"]),
    "name": st.sampled_from(["Example One", "Example Two"]),
    "tenancy": st.just("shared"),
}


@st.composite
def statements(draw: st.DrawFn) -> Statement:
    """Something about one of a few tenants and parties, of any day, by one of two sources."""
    predicate = draw(st.sampled_from(sorted(VALUES)))
    return Statement(
        subject=draw(st.sampled_from(["t-1", "t-2"] + ["p-1", "p-2"] * (predicate not in ("customer", "tenancy")))),
        predicate=predicate,
        value=draw(VALUES[predicate]),
        begins=draw(DAYS),
        ends=draw(DAYS),
        source=draw(st.sampled_from(["crm", "register"])),
        confidence=draw(st.sampled_from(["official", "stated", "of a later version"])),
        as_of=draw(DAYS),
    )


def asked(known: Directory, tenant: str) -> tuple[Any, ...]:
    """The row of one tenant, question by question."""
    view = View(Statement(*row) for row in known.frame.iter_rows())
    customers = view.values(tenant, "customer", DAY)
    about = tuple(dict.fromkeys([tenant, *customers]))
    ever = {tenant, *known.frame.filter(subject=tenant, predicate="customer")["value"]}
    said = {name: [value for each in about for value in view.values(each, name, DAY)] for name in VALUES}
    many = sum(each.subject in ever for each in view)
    return (
        tenant,
        list(customers),
        sorted(set(said["headquarters_country"])),
        many,
        max(said["verified_on"], default=None),
        said["name"],
    )


@unhurried
@given(said=st.lists(statements(), max_size=12, unique=True))
def test_a_list_is_what_asking_gives(said: list[Statement]) -> None:
    """Whatever is said, of whatever days and by whomever, each row is what the questions about the tenant give."""
    known = Directory.of(said)
    found = listed(known, DAY)
    assert found.schema == LISTED
    assert found.rows() == [asked(known, tenant) for tenant in sorted(known.tenants)]


def test_an_undated_word_is_listed() -> None:
    """An undated country is listed beside a dated one of the same source, which need not be the newer one."""
    words = [("CN", None), ("DE", date(2026, 1, 1)), ("SG", date(2026, 6, 1))]
    told = [Statement("p-1", "headquarters_country", country, as_of=as_of) for country, as_of in words]
    known = Directory.of([Statement("t-1", "customer", "p-1"), *told])
    assert listed(known, DAY)["customers_in"].to_list() == [["CN", "SG"]]
    assert listed(known, DAY).rows() == [asked(known, "t-1")]


@pytest.mark.parametrize("odd", ["short", "a cell that is long and has to be folded " * 5, "例え", ""])
def test_a_long_table_looks_like_a_short_one(
    odd: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A table that is written row by row has the form that a short one has."""
    monkeypatch.setenv("COLUMNS", "80")
    rows = tuple((f"t-{number}", odd if number == 7 else "p", "2026-02-01") for number in range(20))
    grid = Sheet(blocks=(Grid(title="", columns=("tenant", "customers", "a long title"), rows=rows),), content={})
    print_sheet(grid, "table")
    short = capsys.readouterr().out
    monkeypatch.setattr(sheet, "LONG", 1)
    print_sheet(grid, "table")
    assert capsys.readouterr().out == short
