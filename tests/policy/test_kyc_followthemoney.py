import gzip
import json
import random
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.imports import ANYTHING, assert_accounted, mutated
from support.judgement import unhurried
from support.kyc_store import imported

from policy.kyc.importing.followthemoney import UNKNOWN_SCHEMA, is_followthemoney, read_followthemoney
from policy.kyc.importing.problems import Read
from policy.kyc.importing.shares import share_range
from policy.kyc.store.store import Store

Entity = Mapping[str, object]
FILE = "entities.ftm.json"

PROPERTIES_OF_PERSONS = (
    "previousName",
    "title", "firstName", "secondName", "middleName", "fatherName", "motherName", "lastName", "nameSuffix",
    "birthDate", "birthPlace", "birthCountry", "deathDate", "position", "biography", "nationality", "citizenship",
    "passportNumber", "socialSecurityNumber", "gender", "ethnicity", "height", "weight", "eyeColor", "hairColor",
    "appearance", "religion", "political", "profession", "education", "spokenLanguage", "abbreviation", "email",
    "phone", "website", "legalForm", "incorporationDate", "dissolutionDate", "taxStatus", "status", "sector",
    "classification", "registrationNumber", "idNumber", "taxNumber", "licenseNumber", "vatCode", "jurisdiction",
    "mainCountry", "opencorporatesUrl", "bvdId", "uscCode", "icijId", "innCode", "ogrnCode", "leiCode", "dunsCode",
    "uniqueEntityId", "npiCode", "swiftBic", "parent", "weakAlias", "country", "summary", "notes", "description",
    "sourceUrl", "publisher", "keywords", "topics", "address", "addressEntity", "program", "programId", "proof",
    "createdAt", "modifiedAt", "retrievedAt",
)  # fmt: skip
"""All that FollowTheMoney 4 has of a Person beside its name and alias."""


def entity(schema: str, ref: str, **properties: object) -> Entity:
    """An entity; a property may be given as one value."""
    lists = {name: value if isinstance(value, list) else [value] for name, value in properties.items()}
    return {
        "id": ref,
        "schema": schema,
        "properties": lists,
        "datasets": ["example_register"],
        "first_seen": "2023-01-01T00:00:00",
        "last_change": "2026-05-04T10:00:00",
    }


COMPANY = entity(
    "Company",
    "ex-1",
    name=["Example Compute LLC", "Example Compute"],
    alias="Example Cloud",
    previousName="Example Hosting LLC",
    weakAlias="EXC",
    jurisdiction="us",
    country=["cn", "ru"],
    mainCountry="sg",
    registrationNumber="EX-12345",
    leiCode="529900EXAMPLE0000000",
    address="1 Example Street, Dover",
    addressEntity="addr-1",
    incorporationDate="2019-03-27",
    sector="Data processing",
    topics=["sanction", "export.control"],
    programId="US-EXAMPLE",
)
ADDRESS = entity("Address", "addr-1", full="8 Example Road, Singapore", country="sg")
PERSON = entity("Person", "ex-9", name="Example Person", alias="E. Person")
OWNERSHIP = entity(
    "Ownership", "own-1", owner="ex-2", asset="ex-1", percentage="50.01%", startDate="2021", endDate="2024-05"
)


def read(*entities: object) -> Read:
    """What a file of these entities says."""
    return read_followthemoney(FILE, "".join(json.dumps(each) + "\n" for each in entities).encode())


def said(found: Read, *, of: str = "ftm:ex-1") -> dict[str, list[str]]:
    """The values of every predicate about one party."""
    values: dict[str, list[str]] = {}
    for each in found.statements:
        if each.subject == of:
            values.setdefault(each.predicate, []).append(each.value)
    return values


def test_a_company_is_what_it_says() -> None:
    """Names, numbers, the jurisdiction, addresses and days of a company become statements; a topic is no list."""
    found = read(COMPANY, ADDRESS)

    assert (found.rows_in, found.accepted, found.problems) == (2, 2, ())
    assert said(found) == {
        "kind": ["legal_person"],
        "name": ["Example Compute LLC"],
        "alias": ["Example Compute", "Example Cloud", "Example Hosting LLC"],
        "identifier": ["529900EXAMPLE0000000", "EX-12345"],
        "registered_country": ["US"],
        "address": ["1 Example Street, Dover", "8 Example Road, Singapore"],
        "address_country": ["SG"],
        "line_of_business": ["Data processing"],
        "incorporated_on": ["2019-03-27"],
    }
    assert {(each.source, each.confidence, each.as_of) for each in found.statements} == {
        ("followthemoney example_register", "stated", date(2026, 5, 4))
    }


def test_no_country_of_the_form_is_a_headquarters() -> None:
    """Neither the main country nor any other makes a headquarters: a wrong one would clear."""
    decides = {"headquarters_country", "principal_place_country", "management_country"}
    assert not decides & said(read(COMPANY)).keys()


def test_a_public_body_is_a_government() -> None:
    """A PublicBody's kind is government, an Organization's is legal person."""
    assert said(read({**COMPANY, "schema": "PublicBody"}))["kind"] == ["government"]
    assert said(read({**COMPANY, "schema": "Organization"}))["kind"] == ["legal_person"]


@unhurried
@given(
    st.dictionaries(
        st.sampled_from(PROPERTIES_OF_PERSONS),
        st.lists(st.sampled_from(["sentinel", "1970-01-01", "cn", "addr-1", "ex-2"]), min_size=1, max_size=3),
    ),
    st.sampled_from(["Person", "LegalEntity"]),
)
def test_of_a_person_only_names_are_read(properties: dict[str, list[str]], schema: str) -> None:
    """Whatever else is said of a Person, or of a LegalEntity that may be one, gives no statement and no problem."""
    properties = {**properties, "name": ["Example Person"], "alias": ["E. Person"]}
    found = read({**PERSON, "schema": schema, "properties": properties})

    kind = {"kind": ["natural_person"]} if schema == "Person" else {}
    assert said(found, of="ftm:ex-9") == {**kind, "name": ["Example Person"], "alias": ["E. Person"]}
    assert (found.accepted, found.problems) == (1, ())
    assert all(each.begins is each.ends is None for each in found.statements)


def test_unreadable_details_of_a_person_do_not_matter() -> None:
    """What is not looked at cannot be wrong, of whatever type it is."""
    for name in PROPERTIES_OF_PERSONS:
        assert read({**PERSON, "properties": {"name": ["Example Person"], name: {"odd": [7]}}}).accepted == 1


def test_a_persons_number_and_address_are_not_kept() -> None:
    """An identification or an address is kept for a company of the same file only, wherever in it that stands."""
    number = entity("Identification", "id-1", holder="ex-9", number="X1234567", type="Passport", country="cn")
    home = entity("Address", "addr-9", full="9 Example Lane", country="cn")
    person = {**PERSON, "properties": {"name": ["Example Person"], "addressEntity": ["addr-9"]}}
    for rows in ([number, home, person], [person, home, number]):
        found = read(*rows, COMPANY)
        assert {each.predicate for each in found.statements if each.subject == "ftm:ex-9"} == {"kind", "name"}
        assert not {"X1234567", "9 Example Lane", "CN"} & {each.value for each in found.statements}
        assert (found.accepted, found.reported) == (4, 0)
        assert found.left_out == {"Address that may be a person's": 1, "Identification that may be a person's": 1}

    kept = read({**number, "properties": {"holder": ["ex-1"], "number": ["X1"], "type": ["Trade licence"]}}, COMPANY)
    assert [each.detail for each in kept.statements if each.value == "X1"] == ["Trade licence"]


def test_whom_one_row_calls_a_person_is_one() -> None:
    """A company's row is not kept where another row calls the same entity a Person, before or after it."""
    for rows in ([COMPANY, {**PERSON, "id": "ex-1"}], [{**PERSON, "id": "ex-1"}, COMPANY]):
        found = read(*rows, ADDRESS)
        assert set(said(found)) == {"kind", "name", "alias"}
        assert (found.accepted, found.reported) == (2, 1)


def test_an_ownership_is_a_share_of_the_asset() -> None:
    """The asset is owned by the owner, by the stated share, from the earliest to the latest day that is left open."""
    (statement,) = (each for each in read(COMPANY, OWNERSHIP).statements if each.predicate == "owned_by")

    assert (statement.subject, statement.value) == ("ftm:ex-1", "ftm:ex-2")
    assert (statement.share_low_percent, statement.share_high_percent) == (50.01, 50.01)
    assert (statement.begins, statement.ends) == (date(2021, 1, 1), date(2024, 6, 1))


@pytest.mark.parametrize(
    ("relation", "predicate", "detail"),
    [
        (entity("Directorship", "r", organization="ex-1", director="ex-9", role="chair"), "directed_by", None),
        (entity("Control", "r", controlled="ex-1", controller="ex-9", controlType="trust"), "controlled_by", "trust"),
        (entity("Succession", "r", predecessor="ex-1", successor="ex-9", endDate="2020"), "successor", None),
    ],
)
def test_a_relation_leads_from_one_party_to_another(relation: Entity, predicate: str, detail: str | None) -> None:
    """Each schema of a relation has its predicate; a succession has no end."""
    (statement,) = read(relation).statements
    assert (statement.subject, statement.predicate, statement.value) == ("ftm:ex-1", predicate, "ftm:ex-9")
    assert (statement.detail, statement.ends) == (detail, None)


def test_a_relation_is_between_each_two_of_several_parties() -> None:
    """Two owners of one asset make two statements."""
    both = entity("Ownership", "own-2", owner=["ex-2", "ex-3"], asset="ex-1")
    assert said(read(both)) == {"owned_by": ["ftm:ex-2", "ftm:ex-3"]}


def test_a_nested_entity_is_its_id() -> None:
    """Of an entity that is nested in a relation only the id is read."""
    nested = entity("Ownership", "own-3", owner=PERSON, asset={**COMPANY, "properties": 7})
    assert said(read(nested)) == {"owned_by": ["ftm:ex-9"]}


@pytest.mark.parametrize(
    ("relation", "column"),
    [
        (entity("Ownership", "r", owner="ship-1", asset="ex-1"), "properties.owner"),
        (entity("Ownership", "r", owner="ex-1", asset="ex-1"), "properties.owner"),
        (entity("Ownership", "r", owner="ex-2"), "properties.asset"),
        (entity("Succession", "r", predecessor="ex-9", successor="ex-1"), "properties.predecessor"),
        (entity("Ownership", "r", owner="ex-2", asset="ex-1", endDate="soon"), "properties.endDate"),
    ],
)
def test_a_relation_of_no_two_parties_is_reported(relation: Entity, column: str) -> None:
    """What a ship owns, what is nobody's, and what is said of a person are reported."""
    found = read(relation, COMPANY, PERSON, entity("Vessel", "ship-1", name="Example Ship"), ADDRESS)
    assert {each.line: each.column for each in found.problems} == {1: column}
    assert found.rows_in == found.accepted + found.reported


def test_an_owner_of_a_ship() -> None:
    """That a party owns what is no party is accepted and says nothing, wherever in the file the thing stands."""
    rows = [entity("Ownership", "r", owner="ex-2", asset="ship-1"), entity("Vessel", "ship-1", name="Example Ship")]
    for order in (rows, rows[::-1]):
        found = read(*order)
        assert (found.accepted, found.reported, found.statements) == (2, 0, ())
        assert found.left_out == {"Vessel": 1, "a relation about what is no party": 1}


def test_a_number_of_nobody_is_reported() -> None:
    """An identification that names no holder is a bad row, and not one of which nothing is kept."""
    (problem,) = read(COMPANY, entity("Identification", "id-1", number="X1")).problems
    assert problem.column == "properties.holder"


def test_a_dump_withdraws_what_it_has_no_more(tmp_path: Path) -> None:
    """A dump full of what is not kept is imported as it is, counted by schema, and is all that its source says."""
    store, path = Store.open(tmp_path / "store"), tmp_path / "dump.jsonl"
    others = [entity(schema, schema.lower(), name="Example Thing") for schema in ("Sanction", "Vessel", "Family")]
    home = entity("Address", "addr-9", full="9 Example Lane")
    for day, rows in enumerate(([COMPANY, OWNERSHIP, *others, home, ADDRESS], [COMPANY, *others, home, ADDRESS])):
        path.write_bytes("\n".join(map(json.dumps, rows)).encode())
        imported(store, path, source="vendor", day=day)
    first, second = (each.manifest for each in store.versions())
    assert (first.withdrawn, second.withdrawn, first.reported) == (0, 1, ())
    counted = {"Address that may be a person's": 1, "Family": 1, "Sanction": 1, "Vessel": 1}
    assert [each.left_out for each in second.files] == [counted]


@pytest.mark.parametrize("schema", ["Sanction", "Family", "Representation", "UnknownLink", "Example Person"])
def test_another_schema_says_nothing(schema: str) -> None:
    """A row of a schema that is not read is accepted and counted, by its schema only if that is one of the form's."""
    found = read(COMPANY, {**PERSON, "schema": schema}, ADDRESS)
    assert (found.accepted, found.reported) == (3, 0)
    assert found.left_out == {UNKNOWN_SCHEMA if schema == "Example Person" else schema: 1}
    assert not [each for each in found.statements if each.subject == "ftm:ex-9"]


def test_a_day_is_only_said_where_one_is_written() -> None:
    """A year is no day of incorporation; who was dissolved in it is surely no more when it is over."""
    properties = {"name": ["Example"], "incorporationDate": ["2019"], "dissolutionDate": ["2023-11"]}
    values = said(read({**COMPANY, "properties": properties}))
    assert ("incorporated_on" in values, values["dissolved_on"]) == (False, ["2023-12-01"])


def test_a_country_that_is_none_today_is_left_out() -> None:
    """A former country or a union gives no statement; a part of a country that has its own code is read as that."""
    properties = {"name": ["Example"], "jurisdiction": ["suhh", "eu", "cn-hk", "us-de", "cy"]}
    assert said(read({**COMPANY, "properties": properties}))["registered_country"] == ["HK", "US", "CY"]


def test_nothing_is_said_as_of_a_day_to_come() -> None:
    """A row as of a day after today is reported."""
    content = (json.dumps(PERSON) + "\n").encode()
    assert read_followthemoney(FILE, content, today=date(2026, 5, 4)).accepted == 1
    assert read_followthemoney(FILE, content, today=date(2026, 5, 3)).reported == 1


def test_a_file_is_known_by_its_first_line() -> None:
    """A file of entities is told from others, packed or not."""
    content = (json.dumps(COMPANY) + "\n").encode()
    assert is_followthemoney(content)
    assert is_followthemoney(gzip.compress(content))
    for other in (b"", b"LEI,Entity.LegalName\n", b'{"data": []}', gzip.compress(content)[:9]):
        assert not is_followthemoney(other)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["50"], (50, 50)),
        (["50.01%"], (50.01, 50.01)),
        (["50,5 %"], (50.5, 50.5)),
        (["100.00"], (100, 100)),
        ([">25%"], (25, 100)),
        (["≥ 75"], (75, 100)),
        (["75+"], (75, 100)),
        (["<10"], (0, 10)),
        (["up to 10%"], (0, 10)),
        (["25-50"], (25, 50)),
        (["25% – 50%"], (25, 50)),
        (["between 25 and 50 percent"], (25, 50)),
        (["75-to-100-percent"], (75, 100)),
        (["More than 25% but not more than 50%"], (25, 50)),
        (["30", "40"], (30, 40)),
        (["0.5%"], (0.5, 0.5)),
        (["0.5"], (0.5, 50)),
        (["1"], (1, 100)),
        (["0"], (0, 0)),
        ([], (None, None)),
        (["30", "minority"], (None, None)),
        (["150"], (None, None)),
        (["50-25"], (None, None)),
        (["-5"], (None, None)),
        (["nan"], (None, None)),
        (["١٠"], (10, 10)),
    ],
)
def test_a_share_is_a_range(texts: list[str], expected: tuple[float | None, float | None]) -> None:
    """A share is read as the range that it leaves open, and is not known where it is written otherwise."""
    assert share_range(texts) == expected


@unhurried
@given(st.lists(st.text(max_size=12) | st.from_regex(r"[<>]?[0-9]{1,3}([.,][0-9])?%?(-[0-9]{1,3})?", fullmatch=True)))
def test_any_share_is_none_or_a_range_of_percent(texts: list[str]) -> None:
    """Whatever is written, both ends are known and in order from 0 to 100, or neither is."""
    low, high = share_range(texts)
    assert (low is None and high is None) or (low is not None and high is not None and 0 <= low <= high <= 100)


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "[]",
        "7",
        "[" * 100_000,
        '{"id": "ex-1"}',
        json.dumps({**COMPANY, "id": "ex 1"}),
        json.dumps({**COMPANY, "id": None}),
        json.dumps({**COMPANY, "id": ""}),
        json.dumps({**COMPANY, "id": "ex\u200b1"}),
        json.dumps(entity("Ownership", "own-1", owner="unknown", asset="ex-1")),
        json.dumps({**COMPANY, "datasets": "Example"}),
        json.dumps({**COMPANY, "last_change": "Example"}),
        json.dumps(entity("Company", "ex-1", name="Example", jurisdiction="Example")),
        json.dumps(entity("Company", "ex-1", name="Example" * 100)),
        json.dumps(entity("Company", "ex-1", name="Example \ud800")),
        json.dumps(entity("Company", "ex-1", name=[{"Example": 1}])),
    ],
)
def test_a_bad_line_is_reported_and_the_rest_is_read(line: str) -> None:
    """A bad line gives one problem with its number and no statement; none of its text is repeated."""
    found = read_followthemoney(FILE, f"{json.dumps(PERSON)}\n\n{line}\n".encode())

    assert (found.rows_in, found.accepted, found.reported) == (2, 1, 1)
    (problem,) = found.problems
    assert problem.line == 3
    assert "Example" not in problem.text


@pytest.mark.parametrize("content", [b"", b"\n\n", b"{}\n\xff", gzip.compress(json.dumps(COMPANY).encode())[:-12]])
def test_nothing_is_taken_of_a_file_that_cannot_be_read_to_its_end(content: bytes) -> None:
    """A broken or empty file has a problem as a whole, and no statement."""
    found = read_followthemoney(FILE, content)
    assert (found.unreadable, found.accepted, found.statements) == (True, 0, ())


ROWS = (COMPANY, ADDRESS, PERSON, OWNERSHIP, entity("Identification", "id-1", holder="ex-1", number="X1"))


@unhurried
@given(st.permutations(ROWS))
def test_the_order_of_the_rows_changes_nothing(rows: list[Entity]) -> None:
    """The same rows in another order give the same statements."""
    assert sorted(map(repr, read(*rows).statements)) == sorted(map(repr, read(*ROWS).statements))


@unhurried
@given(st.randoms(use_true_random=False), st.integers(1, 6))
def test_no_mutated_file_is_read_wrongly_to_its_end(chance: random.Random, mutations: int) -> None:
    """Whatever is changed in a file, it is read without an error, and every row is accepted or reported."""
    content = "".join(json.dumps(each) + "\n" for each in ROWS).encode()
    pieces = (b"", b"\n", b'"', b"{", b"]", b"7", b"\xff", b"\\u0000", b"null", b'Person"')
    assert_accounted(read_followthemoney(FILE, mutated(content, chance, mutations, pieces)))


@unhurried
@given(st.randoms(use_true_random=False), ANYTHING)
def test_no_value_in_an_entity_crashes_the_reader(chance: random.Random, value: object) -> None:
    """Any value in any place of an entity is read or reported."""
    changed = json.loads(json.dumps(ROWS))
    row = chance.choice(changed)
    holder = chance.choice([row, row["properties"]])
    holder[chance.choice(list(holder))] = value
    assert_accounted(read(*changed))


@unhurried
@given(st.binary(max_size=300))
def test_no_bytes_crash_the_reader(content: bytes) -> None:
    """Any bytes at all, also after the first bytes of a packed file, are read without an error."""
    for start in (b"", b"\x1f\x8b\x08", b"PK\x03\x04", b'{"id":'):
        assert_accounted(read_followthemoney(FILE, start + content))
