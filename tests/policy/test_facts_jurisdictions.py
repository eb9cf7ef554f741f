import re
import tomllib
from datetime import date, timedelta
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iso3166 import countries_by_name
from support.facts import facts_with

from policy.facts.countries import CountryError, country_name, normalise_country, resolve_country
from policy.facts.evidence import Answer
from policy.facts.reading import load_facts
from policy.facts.tables import FactsError

SCOPE = load_facts().jurisdictions
NOW = date(2026, 6, 1)
SINCE_2018 = "AF BY CD CF CN CU ER HT IQ IR KP LB LY MM SD SO SS SY VE ZW"
D5_OVER_TIME = {
    date(2020, 1, 1): (21, f"{SINCE_2018} CY"),
    date(2022, 1, 1): (23, f"{SINCE_2018} CY RU KH"),
    date(2024, 4, 1): (24, f"{SINCE_2018} CY RU KH NI"),
    date(2025, 12, 1): (22, f"{SINCE_2018} RU NI"),
    date(2026, 3, 1): (22, f"{SINCE_2018} RU NI"),
}
"""
Recomputed from the sources: the table of 2026-07-23 has 22; it lacks Cyprus (out with 89 FR 40369) and Cambodia (in
with 86 FR 70015, out with State's rule of 2025-11-07), and has Russia (86 FR 14802) and Nicaragua (89 FR 18780).
"""
GROUPS_2026 = {
    "D:1": "AM AZ BY CN GE IQ KG KH KP KZ LA LY MD MM MN MO NI RU TJ TM UZ VE VN YE",
    "D:4": "BH BY CN EG IR IQ IL JO KP KW LB LY MO OM PK QA RU SA SY VE YE",
    "E:1": "IR KP SY",
    "E:2": "CU",
    "744.22": "BY MM KH CN RU VE IR KP SY CU",
}


@pytest.mark.parametrize("at", D5_OVER_TIME, ids=str)
def test_members_over_time(at: date) -> None:
    """Country Group D:5 is, member for member, what the sources make it on days on which people get it wrong."""
    count, codes = D5_OVER_TIME[at]
    assert SCOPE.members(at) == frozenset(codes.split())
    assert len(SCOPE.members(at)) == count


@pytest.mark.parametrize("group", GROUPS_2026)
def test_other_groups(group: str) -> None:
    """The other groups are those of the table, and of 15 CFR 744.22, as read at 2026-07-23."""
    assert SCOPE.members(date(2026, 7, 23), group) == frozenset(GROUPS_2026[group].split())


def test_the_emirates_changed_groups() -> None:
    """The Emirates left D:4 and came into A:5 on one day."""
    before, after = date(2026, 7, 9), date(2026, 7, 10)
    assert SCOPE.in_group("AE", "D:4", before).answer is SCOPE.in_group("AE", "A:5", after).answer is Answer.YES
    assert SCOPE.in_group("AE", "D:4", after).answer is SCOPE.in_group("AE", "A:5", before).answer is Answer.NO
    assert {"TW", "IL"} <= SCOPE.members(after, "A:6")


@pytest.mark.parametrize(
    ("country", "last_day", "left"),
    [
        ("KH", date(2025, 11, 6), "2025-11-07 (State 2025-11-07, EAR table 2026-02-03)"),
        ("CY", date(2024, 5, 29), "2024-05-30"),
    ],
)
def test_leaving(country: str, last_day: date, left: str) -> None:
    """A country is a member through the day before it left, by the list that governs it; both days are said."""
    assert SCOPE.in_scope(country, last_day).answer is Answer.YES
    after = SCOPE.in_scope(country, last_day + timedelta(days=1))
    assert (after.answer, after.reason) == (Answer.NO, f"{country}: left Country Group D:5 on {left}")


def test_state_governs() -> None:
    """Between State's day and BIS's a country is out, although the table in the EAR still has it."""
    cambodia = next(row for row in SCOPE.membership if (row.group, row.country) == ("D:5", "KH"))
    assert (cambodia.state_to, cambodia.ear_to) == (date(2025, 11, 7), date(2026, 2, 3))
    assert SCOPE.in_scope("KH", date(2026, 1, 1)).answer is Answer.NO
    assert SCOPE.in_group("KH", "D:1", date(2026, 1, 1)).answer is Answer.YES


@pytest.mark.parametrize(
    ("country", "answer", "reason"),
    [
        ("CN", Answer.YES, "CN: member of Country Group D:5"),
        ("MO", Answer.YES, "MO: named beside D:5 in the rules"),
        ("HK", Answer.YES, "HK: treated as CN: member of Country Group D:5"),
        ("DE", Answer.NO, "DE: not a member of Country Group D:5 and not named beside it"),
        ("TW", Answer.NO, "TW: not a member of Country Group D:5 and not named beside it"),
    ],
)
def test_answers(country: str, answer: Answer, reason: str) -> None:
    """Each answer says in words what it rests on, and cites it."""
    scope = SCOPE.in_scope(country, NOW)
    assert (scope.answer, scope.reason) == (answer, reason)
    assert scope.sources


def test_what_the_table_says_today_is_official() -> None:
    """From the issue that was read on, membership rests on the table alone; before, on what was read of its changes."""
    table = SCOPE.groups["D:5"].table_of
    today, before = (SCOPE.in_scope("CN", at).sources for at in (table, table - timedelta(days=1)))
    assert [source.evidence for source in today] == ["official"]
    assert [source.evidence for source in before] == ["official", "secondary"]


def test_macau_and_hong_kong_are_not_members() -> None:
    """Macau and Hong Kong are in scope without being members; Hong Kong counts as China in every group."""
    assert not {"MO", "HK"} & SCOPE.members(NOW)
    assert SCOPE.in_group("MO", "D:5", NOW).answer is Answer.NO
    assert SCOPE.in_group("HK", "744.22", NOW).answer is Answer.YES


@pytest.mark.parametrize(("country", "at"), [("ET", NOW), ("CY", date(2026, 10, 1))])
def test_watched(country: str, at: date) -> None:
    """A watched country is unknown, and the reason says why."""
    scope = SCOPE.in_scope(country, at)
    assert scope.answer is Answer.UNKNOWN
    assert "126.1" in scope.reason


def test_before_the_records() -> None:
    """Before the records of a group begin every answer is unknown, even China's."""
    for group, about in SCOPE.groups.items():
        day_before = about.begins - timedelta(days=1)
        assert {SCOPE.in_group(code, group, day_before).answer for code in ("CN", "DE")} == {Answer.UNKNOWN}
    assert SCOPE.in_scope("DE", SCOPE.groups["D:5"].begins - timedelta(days=1)).answer is Answer.UNKNOWN


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Hong Kong SAR", "HK"),
        ("Macao", "MO"),
        ("Macau", "MO"),
        ("PRC", "CN"),
        ("P.R.C.", "CN"),
        ("People's Republic of China", "CN"),
        ("DRC", "CD"),
        ("Burma", "MM"),
        ("Korea, North", "KP"),
        ("Republic of China", "TW"),
        ("Russian Federation", "RU"),
        ("uk", "GB"),
        ("HKG", "HK"),
        ("Germany", "DE"),
        ("China, Hong Kong SAR", "HK"),
        ("Hong Kong S.A.R., China", "HK"),
        ("CHINA (HONG KONG)", "HK"),
        ("Macau (SAR of China)", "MO"),
        ("People’s Rep. of China", "CN"),
        ("ＣＨＩＮＡ", "CN"),
        ("中国", "CN"),
        ("香港", "HK"),
        ("Taiwan, Province of China", "TW"),
        ("Taiwan, China", "TW"),
        ("Korea (Democratic People’s Republic of)", "KP"),
        ("Korea, Rep.", "KR"),
        ("Congo, Dem. Rep.", "CD"),
        ("Congo (the Democratic Republic of the)", "CD"),
        ("Iran (Islamic Republic of)", "IR"),
        ("Burma/Myanmar", "MM"),
        ("Venezuela (Bolivarian Republic of)", "VE"),
        ("Russian Federation (the)", "RU"),
        ("Cote d´Ivoire", "CI"),
        ("Curacao", "CW"),
        ("St Lucia", "LC"),
        ("Guinea", "GN"),
    ],
)
def test_names(text: str, code: str) -> None:
    """What people write is read as the country it means, and the answer says how it was read."""
    assert resolve_country(text) == code
    scope = SCOPE.in_scope(text, NOW)
    assert scope.answer is SCOPE.in_scope(code, NOW).answer
    assert f"{text!r} was read as {code}" in scope.reason


def test_a_part_with_an_embargo_of_its_own() -> None:
    """Crimea is read as Ukraine, and the answer says that another embargo speaks of it."""
    scope = SCOPE.in_scope("Crimea", NOW)
    assert scope.answer is Answer.NO
    assert "15 CFR Part 746" in scope.reason


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        *(("Korea", ("KR", "KP")), ("Congo (the)", ("CD", "CG")), ("R.O.C.", ("TW", "CG"))),
        *((each, ()) for each in ("", " ", "-", "?", "N/A", "unknown", "Atlantis", "Chinatown", "Shanghai", "CN-HK")),
        *((each, ()) for each in ("156", "218", "850", "BU", "SU", "YU", "ZR", "AN", "USSR")),
        *(("no", ("NO",)), ("n.a.", ("NA",))),
    ],
)
def test_no_guess(text: str, meant: tuple[str, ...]) -> None:
    """
    A name that could be two countries, or is none, is refused, with what it could mean.

    So are three digits, of which some are another country's dialling code, codes that ISO took back, and the words of
    somebody who gives no country.
    """
    with pytest.raises(CountryError) as caught:
        SCOPE.in_scope(text, NOW)
    assert caught.value.suggestion == meant
    assert all(repr(code) in str(caught.value) for code in meant)


@pytest.mark.parametrize(("text", "meant"), [("UK", "GB"), ("Macau", "MO"), ("cn", "CN"), ("HKG", "HK")])
def test_a_file_of_codes_takes_codes_only(text: str, meant: str) -> None:
    """Where a code is asked for, a name is refused with the code meant, and never replaced silently."""
    with pytest.raises(CountryError) as caught:
        normalise_country(text)
    assert caught.value.suggestion == (meant,)
    assert normalise_country(meant) == meant


def test_every_member_has_a_name() -> None:
    """Every country of every group has a name to show, the EAR's where it has one of its own."""
    named = {code: country_name(code) for group in SCOPE.group for code in SCOPE.members(NOW, group.id)}
    assert (named["MM"], named["KP"], named["CN"]) == ("Burma", "Korea, North", "China (PRC)")
    assert all(named.values())


@given(st.sampled_from(sorted(countries_by_name)), st.data())
def test_neither_order_nor_marks_tell(name: str, data: st.DataObject) -> None:
    """ISO's name of a country is that country's, or nobody's, however its words are ordered, cased and separated."""
    code = countries_by_name[name].alpha2
    words = data.draw(st.permutations(re.findall(r"\w+", re.sub(r"[.']", "", name))))
    written = data.draw(st.sampled_from([", ", " ", "-", " / "])).join(words).title()
    if name == "CONGO":
        with pytest.raises(CountryError):
            resolve_country(written)
    else:
        assert resolve_country(name) == resolve_country(f"({written})") == code


def test_every_alias_is_its_own_country() -> None:
    """What the file says that a country is called leads to that country, and each has one row."""
    named = tomllib.loads(files("policy.facts").joinpath("countries.toml").read_text(encoding="utf-8"))["country"]
    for row in named:
        for name in filter(None, (row.get("ear_name"), *row.get("aliases", ()))):
            assert resolve_country(name) == row["code"]
    assert len({row["code"] for row in named}) == len(named)


@given(st.sampled_from(sorted(SCOPE.changes)), st.sampled_from(["KH", "CY", "NI", "RU", "MO", "HK", "ET", "DE", "SS"]))
def test_answers_change_on_the_listed_days_only(change: date, country: str) -> None:
    """Between two listed days of change no answer changes, so that a run is held against each law that it met."""
    later = [day for day in SCOPE.changes if day > change]
    last = (later[0] if later else change + timedelta(days=365)) - timedelta(days=1)
    assert SCOPE.in_scope(country, change).answer is SCOPE.in_scope(country, last).answer


@pytest.mark.parametrize(
    ("old", "new", "field", "problem"),
    [
        ('country = "KH"', 'country = "KHM"', "country", "'KHM' is no ISO"),
        ('members = ["CU"]', 'members = ["CU", "CU"]', "members", "twice"),
        ('members = ["CU"]', 'members = ["Cuba"]', "members", "did you mean 'CU'"),
        ('id = "D:5"', 'id = "D:6"', "id", "there is no group D:5"),
        ('group = "E:1"', 'group = "E:9"', "group", "there is no group 'E:9'"),
        ('country = "RU"\nstate_from', 'country = "CN"\nstate_from', "country", "among the group's members already"),
        ('country = "NI"\nstate_from', 'country = "KH"\nstate_from', "valid_from", "overlap"),
        ("state_from = 2021-12-09", "state_from = 2031-12-09", "valid_from", "ends before it begins"),
        ('country = "ET"', 'country = "CN"', "country", "is a member on every day"),
        ('counts_as = "CN"', 'counts_as = "HK"', "counts_as", "itself treated as another"),
        ('governed_by = "ear"', 'governed_by = "both"', "governed_by", "'both' will not do"),
        ('sources = ["fr_91_43034", ', 'sources = ["fr_0_0", ', "sources", "there is no document 'fr_0_0'"),
    ],
)
def test_bad_rows(old: str, new: str, field: str, problem: str) -> None:
    """A row that contradicts the codes, the calendar, another row or the documents is refused with its place."""
    with pytest.raises(FactsError) as caught:
        facts_with("jurisdictions.toml", old, new)
    assert (caught.value.file, caught.value.field) == ("jurisdictions.toml", field)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('text = "Korea"', 'text = "Burma"', "already names one country"),
        ('code = "MM"', 'code = "BU"', "no ISO 3166-1 alpha-2 code"),
        ('"Union of Burma"', '"Holland"', "already names another"),
    ],
)
def test_bad_names(old: str, new: str, problem: str) -> None:
    """A name of two countries must be called ambiguous."""
    with pytest.raises(FactsError, match=problem):
        facts_with("countries.toml", old, new)
