import csv
import gzip
import io
import json
import random
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.imports import ANYTHING, assert_accounted, mutated
from support.judgement import unhurried

from policy.kyc.importing.gleif import is_gleif, read_gleif
from policy.kyc.importing.problems import Read

Row = Mapping[str, str]


def lei(prefix: str) -> str:
    """An LEI that GLEIF never issued, its check digits right."""
    body = prefix.ljust(18, "0")
    return body + f"{98 - int(''.join(str(int(each, 36)) for each in body + '00')) % 97:02}"


ONE, TWO = lei("FLOPWATCHONE"), lei("FLOPWATCHTWO")
UPDATED = {"Registration.LastUpdateDate": "2026-05-04T10:00:00.000Z", "Registration.RegistrationStatus": "ISSUED"}
ENTITY: Row = {
    "LEI": ONE,
    "Entity.LegalName": "Example Compute Holdings Ltd",
    "Entity.LegalName.xmllang": "en",
    "Entity.OtherEntityNames.OtherEntityName.1": "Example Cloud",
    "Entity.OtherEntityNames.OtherEntityName.1.xmllang": "xx-lang",
    "Entity.OtherEntityNames.OtherEntityName.1.type": "TRADING_OR_OPERATING_NAME",
    "Entity.TransliteratedOtherEntityNames.TransliteratedOtherEntityName.1": "Example Compute Holdings Limited",
    "Entity.LegalAddress.FirstAddressLine": "1 Example Street",
    "Entity.LegalAddress.City": "George Town",
    "Entity.LegalAddress.Country": "KY",
    "Entity.HeadquartersAddress.FirstAddressLine": "8 Example Road",
    "Entity.HeadquartersAddress.AdditionalAddressLine.1": "Floor 3",
    "Entity.HeadquartersAddress.City": "Singapore",
    "Entity.HeadquartersAddress.Country": "SG",
    "Entity.RegistrationAuthority.RegistrationAuthorityID": "RA000087",
    "Entity.RegistrationAuthority.RegistrationAuthorityEntityID": "EX-12345",
    "Entity.LegalJurisdiction": "US-DE",
    "Entity.EntityCategory": "GENERAL",
    "Entity.EntityStatus": "ACTIVE",
    "Entity.EntityCreationDate": "2019-03-27T00:00:00.000+08:00",
    "Entity.EntityExpirationDate": "",
    "Entity.AssociatedEntity.AssociatedLEI": "",
    "Entity.SuccessorEntity.1.SuccessorLEI": "",
    "Registration.ValidationSources": "FULLY_CORROBORATED",
    **UPDATED,
}
RELATION: Row = {
    "Relationship.StartNode.NodeID": ONE,
    "Relationship.StartNode.NodeIDType": "LEI",
    "Relationship.EndNode.NodeID": TWO,
    "Relationship.EndNode.NodeIDType": "LEI",
    "Relationship.RelationshipType": "IS_ULTIMATELY_CONSOLIDATED_BY",
    "Relationship.RelationshipStatus": "ACTIVE",
    "Relationship.Period.1.startDate": "2025-01-01T00:00:00Z",
    "Relationship.Period.1.endDate": "2025-12-31T00:00:00Z",
    "Relationship.Period.1.periodType": "ACCOUNTING_PERIOD",
    "Relationship.Period.2.startDate": "2017-12-06T00:00:00Z",
    "Relationship.Period.2.endDate": "",
    "Relationship.Period.2.periodType": "RELATIONSHIP_PERIOD",
    "Relationship.Quantifiers.1.MeasurementMethod": "ACCOUNTING_CONSOLIDATION",
    "Relationship.Quantifiers.1.QuantifierAmount": "100",
    "Registration.ValidationSources": "PARTIALLY_CORROBORATED",
    **UPDATED,
}
EXCEPTION: Row = {
    "LEI": ONE,
    "Exception.Category": "ULTIMATE_ACCOUNTING_CONSOLIDATION_PARENT",
    "Exception.Reason.1": "NATURAL_PERSONS",
    "Exception.Reason.2": "",
    "Exception.Reference.1": "",
}
FILE = "20260601-0800-gleif-goldencopy-example.csv"


def golden_copy(*rows: Row) -> bytes:
    """A golden copy with every column that one of the rows has; all cells are quoted, as GLEIF does."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def read(*rows: Row) -> Read:
    """What these rows say as a golden copy."""
    return read_gleif(FILE, golden_copy(*rows))


def said(found: Read, *, of: str = ONE) -> dict[str, list[str]]:
    """The values of every predicate."""
    values: dict[str, list[str]] = {}
    for each in found.statements:
        assert each.subject == f"lei:{of}"
        values.setdefault(each.predicate, []).append(each.value)
    return values


def an_answer(record_type: str, *attributes: Mapping[str, object]) -> bytes:
    """What the API answers: one record, or a page."""
    records = [{"type": record_type, "id": "example", "attributes": each} for each in attributes]
    meta = {"goldenCopy": {"publishDate": "2026-06-01T08:00:00Z"}}
    return json.dumps({"meta": meta, "data": records if len(records) > 1 else records[0]}, indent=3).encode()


ENTITY_ANSWER: Mapping[str, Any] = {
    "lei": ONE,
    "entity": {
        "legalName": {"name": "Example Compute Holdings Ltd", "language": "en"},
        "otherNames": [{"name": "Example Cloud", "language": "xx-lang", "type": "TRADING_OR_OPERATING_NAME"}],
        "transliteratedOtherNames": [{"name": "Example Compute Holdings Limited", "language": "xx-lang"}],
        "legalAddress": {
            "language": "en",
            "addressLines": ["1 Example Street"],
            "city": "George Town",
            "country": "KY",
        },
        "headquartersAddress": {
            "addressLines": ["8 Example Road", "Floor 3"],
            "addressNumber": None,
            "city": "Singapore",
            "country": "SG",
        },
        "registeredAt": {"id": "RA000087", "other": None},
        "registeredAs": "EX-12345",
        "jurisdiction": "US-DE",
        "category": "GENERAL",
        "associatedEntity": {"lei": None, "name": None},
        "status": "ACTIVE",
        "expiration": {"date": None, "reason": None},
        "successorEntity": {"lei": None, "name": None},
        "successorEntities": [],
        "creationDate": "2019-03-27T00:00:00Z",
    },
    "registration": {
        "lastUpdateDate": "2026-05-04T10:00:00Z",
        "status": "ISSUED",
        "corroborationLevel": "FULLY_CORROBORATED",
    },
}


def test_a_row_of_level_1_says_who_a_party_is() -> None:
    """A golden copy's row gives names, numbers, countries, addresses and days of the party, and nothing else."""
    found = read(ENTITY)

    assert (found.rows_in, found.accepted, found.problems) == (1, 1, ())
    assert said(found) == {
        "name": ["Example Compute Holdings Ltd"],
        "alias": ["Example Cloud", "Example Compute Holdings Limited"],
        "identifier": [ONE, "EX-12345"],
        "registered_country": ["US"],
        "headquarters_country": ["SG"],
        "address": ["1 Example Street, George Town, KY", "8 Example Road, Floor 3, Singapore, SG"],
        "address_country": ["KY", "SG"],
        "incorporated_on": ["2019-03-27"],
        "kind": ["legal_person"],
    }
    assert [each.detail for each in found.statements if each.predicate == "identifier"] == ["lei", "RA000087"]
    assert {(each.source, each.confidence, each.as_of) for each in found.statements} == {
        ("gleif", "official", date(2026, 5, 4))
    }


def test_the_api_and_the_golden_copy_say_the_same() -> None:
    """A record of the API gives the statements of its row in the golden copy, alone and in a page."""
    statements = set(read(ENTITY).statements)

    assert set(read_gleif("one.json", an_answer("lei-records", ENTITY_ANSWER)).statements) == statements
    page = read_gleif("page.json", an_answer("lei-records", ENTITY_ANSWER, {**ENTITY_ANSWER, "lei": TWO}))
    assert (page.rows_in, page.accepted) == (2, 2)
    assert statements < set(page.statements)


def test_languages_are_not_read() -> None:
    """No statement holds what a language field says, whichever way it came."""
    for found in (read(ENTITY), read_gleif("one.json", an_answer("lei-records", ENTITY_ANSWER))):
        assert "xx-lang" not in repr(found.statements)


@pytest.mark.parametrize(
    ("level", "status", "confidence"),
    [
        ("FULLY_CORROBORATED", "ISSUED", "official"),
        ("PARTIALLY_CORROBORATED", "ISSUED", "documented"),
        ("ENTITY_SUPPLIED_ONLY", "ISSUED", "stated"),
        ("PENDING", "ISSUED", "unverified"),
        ("", "ISSUED", "unverified"),
        ("FULLY_CORROBORATED", "LAPSED", "unverified"),
        ("FULLY_CORROBORATED", "PENDING_VALIDATION", "unverified"),
        ("FULLY_CORROBORATED", "RETIRED", "official"),
    ],
)
def test_the_corroboration_level_is_the_confidence(level: str, status: str, confidence: str) -> None:
    """A record is as well known as GLEIF corroborated it, and not at all where nobody looks after it."""
    found = read({**ENTITY, "Registration.ValidationSources": level, "Registration.RegistrationStatus": status})
    assert {each.confidence for each in found.statements} == {confidence}


@pytest.mark.parametrize(
    "void", [{"Registration.RegistrationStatus": "ANNULLED"}, {"DeletedAt": "2026-05-05T00:00:00Z"}]
)
def test_a_withdrawn_record_says_nothing(void: Row) -> None:
    """A record that GLEIF has annulled or deleted is accepted, and nothing is known by it."""
    for row in (ENTITY, RELATION, EXCEPTION):
        if set(void) <= {"DeletedAt"} or "Registration.RegistrationStatus" in row:
            found = read({**row, **void})
            assert (found.accepted, found.statements, found.problems) == (1, (), ())


def test_an_inactive_entity_is_no_more() -> None:
    """It is dissolved from its expiration on, or else from the last update, and its successor is named."""
    inactive = {**ENTITY, "Entity.EntityStatus": "INACTIVE", "Entity.SuccessorEntity.1.SuccessorLEI": TWO}
    values = said(read({**inactive, "Entity.EntityExpirationDate": "2025-12-31T00:00:00+01:00"}))
    assert (values["dissolved_on"], values["successor"]) == (["2025-12-31"], [f"lei:{TWO}"])
    assert said(read(inactive))["dissolved_on"] == ["2026-05-04"]


def test_a_branch_is_one_and_of_whom() -> None:
    """A branch's kind is branch, and its associated entity is its head office; of others it is not read."""
    associated = {"Entity.AssociatedEntity.AssociatedLEI": TWO}
    branch = said(read({**ENTITY, **associated, "Entity.EntityCategory": "BRANCH"}))
    assert (branch["kind"], branch["branch_of"]) == (["branch"], [f"lei:{TWO}"])
    assert "branch_of" not in said(read({**ENTITY, **associated, "Entity.EntityCategory": "FUND"}))


def test_of_a_sole_proprietor_only_the_business_is_kept() -> None:
    """Names, the LEI and countries of the business are kept; no address, day of creation, other number, and no kind."""
    values = said(read({**ENTITY, "Entity.EntityCategory": "SOLE_PROPRIETOR"}))
    assert set(values) == {"name", "alias", "identifier", "registered_country", "headquarters_country"}
    assert values["identifier"] == [ONE]


@pytest.mark.parametrize(
    ("relationship", "predicate", "detail"),
    [
        ("IS_DIRECTLY_CONSOLIDATED_BY", "parent", None),
        ("IS_ULTIMATELY_CONSOLIDATED_BY", "ultimate_parent", None),
        ("IS_INTERNATIONAL_BRANCH_OF", "branch_of", None),
        ("IS_FUND-MANAGED_BY", "controlled_by", "fund manager"),
        ("IS_SUBFUND_OF", "affiliate_of", None),
        ("IS_FEEDER_TO", "affiliate_of", None),
    ],
)
def test_a_relationship_leads_up_and_states_no_share(relationship: str, predicate: str, detail: str | None) -> None:
    """Every type has its predicate; consolidation in accounts is no share, whatever a quantifier says."""
    (statement,) = read({**RELATION, "Relationship.RelationshipType": relationship}).statements

    assert (statement.subject, statement.predicate, statement.value) == (f"lei:{ONE}", predicate, f"lei:{TWO}")
    assert (statement.detail, statement.share_low_percent, statement.share_high_percent) == (detail, None, None)
    assert (statement.confidence, statement.as_of) == ("documented", date(2026, 5, 4))


def test_a_relation_does_not_end_with_an_accounting_period() -> None:
    """Only the relationship's own period counts, and an active relation has no end."""
    (statement,) = read(RELATION).statements
    assert (statement.begins, statement.ends) == (date(2017, 12, 6), None)


@pytest.mark.parametrize(
    "over", [{"Relationship.RelationshipStatus": "INACTIVE"}, {"Registration.RegistrationStatus": "RETIRED"}]
)
def test_a_relation_that_is_over_has_an_end(over: Row) -> None:
    """It ends after its last day, or else by the last update; where no day is known it says nothing."""
    (dated,) = read({**RELATION, **over, "Relationship.Period.2.endDate": "2024-06-30T00:00:00Z"}).statements
    (undated,) = read({**RELATION, **over}).statements
    unknown = read_gleif("unnamed.csv", golden_copy({**RELATION, **over, "Registration.LastUpdateDate": ""}))

    assert (dated.ends, undated.ends) == (date(2024, 7, 1), date(2026, 5, 4))
    assert (unknown.accepted, unknown.statements) == (1, ())


def test_a_successor_is_named_once() -> None:
    """The API names a successor under two keys, which make one statement."""
    successor = {"lei": TWO, "name": "Example Successor Ltd"}
    entity = {**ENTITY_ANSWER["entity"], "successorEntity": successor, "successorEntities": [successor]}
    found = read_gleif("one.json", an_answer("lei-records", {**ENTITY_ANSWER, "entity": entity}))
    assert said(found)["successor"] == [f"lei:{TWO}"]


def test_the_api_and_the_golden_copy_say_the_same_of_a_relation() -> None:
    """A relationship record of the API gives the statement of its row."""
    answer = {
        "relationship": {
            "startNode": {"id": ONE, "type": "LEI"},
            "endNode": {"id": TWO, "type": "LEI"},
            "type": "IS_ULTIMATELY_CONSOLIDATED_BY",
            "status": "ACTIVE",
            "periods": [
                {"startDate": "2025-01-01T00:00:00Z", "endDate": "2025-12-31T00:00:00Z", "type": "ACCOUNTING_PERIOD"},
                {"startDate": "2017-12-06T00:00:00Z", "endDate": None, "type": "RELATIONSHIP_PERIOD"},
            ],
        },
        "registration": {
            "lastUpdateDate": "2026-05-04T10:00:00Z",
            "status": "ISSUED",
            "corroborationLevel": "PARTIALLY_CORROBORATED",
        },
    }
    assert read_gleif("one.json", an_answer("relationship-records", answer)).statements == read(RELATION).statements


def test_nobody_above_is_said_only_where_every_reason_says_so() -> None:
    """Natural persons or nobody known above make a party its own ultimate parent, by its own word; another does not."""
    (statement,) = read(EXCEPTION).statements
    assert (statement.predicate, statement.value) == ("ultimate_parent", "self")
    assert (statement.confidence, statement.as_of) == ("stated", date(2026, 6, 1))
    assert read({**EXCEPTION, "Exception.Reason.2": "NO_KNOWN_PERSON"}).statements == (statement,)
    for other in ("NON_CONSOLIDATING", "NO_LEI", "NON_PUBLIC", "CONSENT_NOT_OBTAINED"):
        for reasons in ({"Exception.Reason.1": other}, {"Exception.Reason.2": other}):
            found = read({**EXCEPTION, **reasons})
            assert (found.accepted, found.statements) == (1, ())


def test_an_exception_about_the_direct_parent_states_nothing() -> None:
    """Nobody directly above by consolidation does not say that nobody is above at all."""
    found = read({**EXCEPTION, "Exception.Category": "DIRECT_ACCOUNTING_CONSOLIDATION_PARENT"})
    assert (found.accepted, found.statements) == (1, ())


def test_an_exception_of_the_api_has_the_day_of_its_golden_copy() -> None:
    """The API gives the statement of the row, as of the day that the answer was published for."""
    attributes = {"lei": ONE, "category": EXCEPTION["Exception.Category"], "reason": "NATURAL_PERSONS"}
    answer = an_answer("reporting-exceptions", {**attributes, "validFrom": None, "reference": None})
    assert read_gleif("one.json", answer).statements == read(EXCEPTION).statements


WRONG: list[tuple[Row, str]] = [
    ({**ENTITY, "LEI": ONE[:-1] + "0"}, "LEI"),
    ({**ENTITY, "LEI": "Example"}, "LEI"),
    ({**ENTITY, "Entity.LegalName": " "}, "Entity.LegalName"),
    ({**ENTITY, "Entity.HeadquartersAddress.Country": "Example Person"}, "Entity.HeadquartersAddress.Country"),
    ({**ENTITY, "Entity.EntityCreationDate": "27.3.2019"}, "Entity.EntityCreationDate"),
    ({**ENTITY, "Entity.SuccessorEntity.1.SuccessorLEI": "Example Person"}, "Entity.SuccessorEntity.1.SuccessorLEI"),
    ({**ENTITY, "Entity.SuccessorEntity.1.SuccessorLEI": ONE}, "Entity.SuccessorEntity.SuccessorLEI"),
    ({**RELATION, "Relationship.RelationshipType": "Example Person"}, "Relationship.RelationshipType"),
    ({**RELATION, "Relationship.EndNode.NodeID": ONE}, "Relationship.EndNode.NodeID"),
    ({**RELATION, "Relationship.EndNode.NodeID": ""}, "Relationship.EndNode.NodeID"),
    ({**EXCEPTION, "Exception.Category": "Example Person"}, "Exception.Category"),
    ({**EXCEPTION, "Exception.Reason.1": ""}, "Exception.Reason.1"),
]


@pytest.mark.parametrize(("row", "column"), WRONG, ids=[column for _, column in WRONG])
def test_a_bad_row_is_reported_with_its_place_and_the_rest_is_read(row: Row, column: str) -> None:
    """A bad row gives no statement but a problem with file, line and column; no text of the row is repeated."""
    good = ENTITY if "Entity.LegalName" in row else RELATION if "Exception.Category" not in row else EXCEPTION
    found = read(good, row)

    assert (found.rows_in, found.accepted, found.reported) == (2, 1, 1)
    assert found.statements == read(good).statements
    (problem,) = found.problems
    assert (problem.file, problem.line, problem.column) == (FILE, 3, column)
    assert "Example" not in problem.text


def test_of_others_than_the_asked_nothing_is_kept() -> None:
    """With a choice of parties, every row is still held to the format, and only what is said of these is kept."""
    rows = golden_copy(ENTITY, {**ENTITY, "LEI": TWO}, {**ENTITY, "LEI": "Example"})
    found = read_gleif(FILE, rows, only={TWO})
    assert {each.subject for each in found.statements} == {f"lei:{TWO}"}
    assert (found.rows_in, found.accepted, found.reported) == (3, 2, 1)
    assert {each.subject for each in read_gleif(FILE, golden_copy(RELATION), only={ONE}).statements} == {f"lei:{ONE}"}


def test_nothing_is_said_as_of_a_day_to_come() -> None:
    """A row as of a day after today is reported."""
    assert read_gleif(FILE, golden_copy(ENTITY), today=date(2026, 5, 4)).accepted == 1
    assert read_gleif(FILE, golden_copy(ENTITY), today=date(2026, 5, 3)).reported == 1


def test_a_file_is_known_by_its_beginning() -> None:
    """A golden copy and an answer of the API are told from other files, packed or not."""
    for content in (*FUZZED, gzip.compress(FUZZED[0])):
        assert is_gleif(content)
    for other in (b"", b"tenant_id,customer\n", b'{"id": "ex-1", "schema": "Company"}', gzip.compress(FUZZED[0])[:9]):
        assert not is_gleif(other)


def test_packed_files_say_the_same() -> None:
    """A file may come plain, as gzip, or alone in a zip file, whatever its name says."""
    content = golden_copy(ENTITY, {**ENTITY, "LEI": TWO})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("golden-copy.csv", content)

    assert read_gleif(FILE, packed.getvalue()) == read_gleif(FILE, gzip.compress(content)) == read_gleif(FILE, content)


def two_in_a_zip() -> bytes:
    """A zip file with more than one file in it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.csv", golden_copy(ENTITY))
        archive.writestr("b.csv", golden_copy(ENTITY))
    return packed.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"name,country\nExample,DE\n",
        golden_copy(ENTITY).split(b"\r\n")[0],
        golden_copy(ENTITY).replace(b"Entity.LegalName.xmllang", b"LEI"),
        golden_copy(ENTITY, ENTITY)[:-40],
        golden_copy(ENTITY).replace(b"Example Cloud", b"Example \xff"),
        gzip.compress(golden_copy(ENTITY))[:-20],
        two_in_a_zip(),
        two_in_a_zip()[:200],
        an_answer("lei-records", ENTITY_ANSWER)[:-9],
        b'{"data": []}',
        b"[" * 100_000,
    ],
)
def test_nothing_is_taken_of_a_file_that_cannot_be_read_to_its_end(content: bytes) -> None:
    """A broken, foreign or empty file has one problem as a whole, and no statement."""
    found = read_gleif(FILE, content)
    assert found.unreadable
    assert (found.accepted, found.statements, found.problems[-1].column) == (0, (), "whole file")


def test_odd_records_of_the_api_are_reported() -> None:
    """A record of another type, and what is no record, are reported by their place in the page."""
    odd: Sequence[object] = [None, 7, "text", [], {}, {"type": "isins"}, {"type": []}, {"type": "lei-records"}]
    record = {"type": "lei-records", "attributes": ENTITY_ANSWER}
    found = read_gleif("page.json", json.dumps({"data": [*odd, record]}).encode())

    assert (found.rows_in, found.accepted, found.reported) == (len(odd) + 1, 1, len(odd))
    assert [each.line for each in found.problems] == list(range(1, len(odd) + 1))


FUZZED = (
    golden_copy(ENTITY, {**ENTITY, "LEI": TWO, "Entity.EntityStatus": "INACTIVE"}),
    golden_copy(RELATION, {**RELATION, "Relationship.RelationshipStatus": "INACTIVE"}),
    golden_copy(EXCEPTION, EXCEPTION),
    an_answer("lei-records", ENTITY_ANSWER, {**ENTITY_ANSWER, "lei": TWO}),
)


@unhurried
@given(st.sampled_from(FUZZED), st.randoms(use_true_random=False), st.integers(1, 6))
def test_no_mutated_file_is_read_wrongly_to_its_end(content: bytes, chance: random.Random, mutations: int) -> None:
    """Whatever is changed in a file, it is read without an error, and every row is accepted or reported."""
    content = mutated(content, chance, mutations, (b"", b",", b'"', b"\n", b"{", b"\xff", b"\0", b"9", b"Z"))
    for whole in (content, gzip.compress(content)):
        assert_accounted(read_gleif(FILE, whole))


@unhurried
@given(
    st.sampled_from(FUZZED),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2]),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=3)), min_size=1, max_size=3),
)
def test_no_damaged_archive_crashes_the_reader(content: bytes, method: int, damage: list[tuple[float, bytes]]) -> None:
    """Whatever is damaged in a zip file, in its directory or in its content, it is read without an error."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        archive.writestr("golden-copy.csv", content)
    damaged = bytearray(packed.getvalue())
    for where, new in damage:
        at = int(where * len(damaged))
        damaged[at : at + 1] = new
    assert_accounted(read_gleif(FILE, bytes(damaged)))


@unhurried
@given(st.binary(max_size=300))
def test_no_bytes_crash_the_reader(content: bytes) -> None:
    """Any bytes at all, also after the first bytes of a packed file, are read without an error."""
    for start in (b"", b"\x1f\x8b\x08", b"PK\x03\x04", b"{", b"LEI,"):
        assert_accounted(read_gleif(FILE, start + content))


@unhurried
@given(st.randoms(use_true_random=False), ANYTHING)
def test_no_value_in_a_record_crashes_the_reader(chance: random.Random, value: object) -> None:
    """Any value in any place of a record of the API is read or reported."""
    answer = json.loads(an_answer("lei-records", ENTITY_ANSWER))
    holder = answer["data"]["attributes"]
    while True:
        key = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        if not isinstance(holder[key], dict | list) or not holder[key] or chance.random() < 0.3:
            break
        holder = holder[key]
    holder[key] = value
    assert_accounted(read_gleif("one.json", json.dumps(answer).encode()))
