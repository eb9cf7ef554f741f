from datetime import date

import pytest
from support.kyc import fact_texts

from policy.facts.countries import CountryError, normalise_country
from policy.facts.facts import load_facts, read_facts
from policy.facts.jurisdictions import ScopeAnswer
from policy.facts.tables import FactsError

D5 = load_facts().jurisdictions
NOW = date(2026, 6, 1)
CODES_2026 = "AF BY MM CF CN CD CU ER HT IR IQ KP LB LY NI RU SO SS SD SY VE ZW"


def test_members_in_2026() -> None:
    """The members of June 2026 are the 22 of the table, without Cambodia."""
    assert D5.members(NOW) == frozenset(CODES_2026.split())


def test_members_over_time() -> None:
    """Cambodia and Russia are members at the start of 2022, Nicaragua only from March 2024."""
    assert {"KH", "RU"} <= D5.members(date(2022, 1, 1))
    assert "NI" not in D5.members(date(2024, 3, 14))
    assert "NI" in D5.members(date(2024, 4, 1))


@pytest.mark.parametrize(("country", "last_day"), [("KH", date(2025, 11, 6)), ("CY", date(2024, 5, 29))])
def test_leaving(country: str, last_day: date) -> None:
    """A country is a member through the day before it left, by the list that governs it, and not from then on."""
    left = date.fromordinal(last_day.toordinal() + 1)
    assert D5.in_scope(country, last_day).answer is ScopeAnswer.YES
    after = D5.in_scope(country, left)
    assert after.answer is ScopeAnswer.NO
    assert after.reason == f"{country}: left Country Group D:5 on {left.isoformat()}"


def test_both_days_of_leaving_are_kept() -> None:
    """Of Cambodia's leaving both State's and BIS's day are known."""
    cambodia = next(row for row in D5.member if row.country == "KH")
    assert (cambodia.state_to, cambodia.ear_to) == (date(2025, 11, 7), date(2026, 2, 3))


@pytest.mark.parametrize(
    ("country", "answer", "reason"),
    [
        ("CN", ScopeAnswer.YES, "CN: member of Country Group D:5"),
        ("MO", ScopeAnswer.YES, "MO: named beside D:5 in the rules"),
        ("HK", ScopeAnswer.YES, "HK: treated as CN: member of Country Group D:5"),
        ("DE", ScopeAnswer.NO, "DE: not a member of Country Group D:5 and not named beside it"),
        ("TW", ScopeAnswer.NO, "TW: not a member of Country Group D:5 and not named beside it"),
    ],
)
def test_answers(country: str, answer: ScopeAnswer, reason: str) -> None:
    """Each answer says in words what it rests on, and cites it."""
    scope = D5.in_scope(country, NOW)
    assert (scope.answer, scope.reason) == (answer, reason)
    assert scope.sources


def test_macau_and_hong_kong_are_not_members() -> None:
    """Macau and Hong Kong are in scope without being members."""
    assert not {"MO", "HK"} & D5.members(NOW)


@pytest.mark.parametrize(("country", "at"), [("ET", NOW), ("CY", date(2026, 10, 1))])
def test_watched(country: str, at: date) -> None:
    """A watched country is unknown, and the reason says why."""
    scope = D5.in_scope(country, at)
    assert scope.answer is ScopeAnswer.UNKNOWN
    assert "126.1" in scope.reason


def test_before_the_records() -> None:
    """Before the records begin every answer is unknown, even China's."""
    for country in ("CN", "DE"):
        assert D5.in_scope(country, date(2020, 12, 31)).answer is ScopeAnswer.UNKNOWN


@pytest.mark.parametrize(
    ("text", "meant"),
    [("UK", "GB"), ("Macau", "MO"), ("HKG", "HK"), ("cn", "CN"), ("Germany", "DE"), ("Atlantis", None), ("", None)],
)
def test_only_codes_are_countries(text: str, meant: str | None) -> None:
    """Anything but an alpha-2 code is refused, with the code meant where there is one."""
    with pytest.raises(CountryError) as caught:
        normalise_country(text)
    assert caught.value.suggestion == ((meant,) if meant else ())
    with pytest.raises(CountryError):
        D5.in_scope(text, NOW)


def test_codes_pass() -> None:
    """A code comes back unchanged."""
    assert normalise_country("MO") == "MO"


@pytest.mark.parametrize(
    ("old", "new", "field", "problem"),
    [
        ('country = "KH"', 'country = "KHM"', "country", "'KH'"),
        ('country = "KH"', 'country = "CN"', "valid_from", "overlaps another row in [member]"),
        ("valid_from = 2021-12-09", "valid_from = 2031-12-09", "valid_from", "ends before it begins"),
        ('counts_as = "CN"', 'counts_as = "HK"', "counts_as", "itself treated as another"),
        ('governed_by = "ear"', 'governed_by = "both"', "governed_by", "'both' will not do"),
    ],
)
def test_bad_rows(old: str, new: str, field: str, problem: str) -> None:
    """A row that contradicts the codes, the calendar or another row is refused with its place."""
    texts = fact_texts()
    texts["jurisdictions.toml"] = texts["jurisdictions.toml"].replace(old, new)
    with pytest.raises(FactsError) as caught:
        read_facts(texts)
    assert (caught.value.file, caught.value.field) == ("jurisdictions.toml", field)
    assert problem in str(caught.value)
