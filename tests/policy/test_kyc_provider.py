"""The provider's register: read whole or refused in one line, asked by node, held beside the computed classes."""

import hashlib
import json
import os
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.facts import an_overlay, assert_clear, refusal_of
from support.judgement import FACTS, H100, unhurried
from support.provider import a_cluster, a_row, provider_of

import policy.__main__ as command
from policy.facts.evidence import Answer
from policy.facts.reading import load_facts
from policy.kyc.registers.provider import Provider
from policy.kyc.registers.provider_file import read_provider
from policy.kyc.registers.recorded import SideBySide, agrees, recorded_and_computed

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
DAY = date(2026, 11, 29)
CLASSIFIER = FACTS.classifier
ENTITY = """
[[entity]]
id = "e-1"
name = "Example Compute Pte. Ltd."
headquarters_country = "SG"
us_person = "no"
source = "company register"
as_of = 2026-07-01
"""
PLACES = """
[[entity]]
id = "e-2"
headquarters_country = "unknown"
us_person = "yes"
source = "management"
as_of = 2026-07-01

[[site]]
id = "s-1"
country = "MY"
entity = "e-1"

[[site]]
id = "s-2"
country = "JP"
entity = "e-2"

[[cluster]]
id = "c-1"
site = "s-1"
entity = "e-1"
nodes = ["gpu-a-*", "gpu-b-[0-9]"]
tenancy = "bare_metal"

[[cluster]]
id = "c-2"
site = "s-2"
entity = "e-1"
nodes = ["gpu-*-9"]
"""
TEXT = ENTITY + PLACES
PROVIDER = provider_of(TEXT)


def a_record(eccn: str, day: str = "2026-01-05", **about: object) -> str:
    """One row of hardware; about an H100 unless told otherwise."""
    cells = {"eccn": eccn, "classified_by": "counsel", "basis": "memorandum", **(about or {"accelerator": H100})}
    return a_row("hardware", f"classified_on = {day}", **cells)


def beside(*records: str, accelerator: str = H100, day: date = DAY, node: str = "", serial: str = "") -> SideBySide:
    """The record and the arithmetic by a register with these records."""
    provider = provider_of(*records)
    return recorded_and_computed(provider, CLASSIFIER, accelerator, day, node=node, serial=serial)


# Places


def test_an_empty_register_knows_nothing() -> None:
    """Without a register every part of a place is unknown, and nothing is recorded."""
    place = Provider().place_of("gpu-a-1")
    assert (place.cluster, place.site, place.country, place.entity, place.tenancy) == (None,) * 5
    assert place.us_person is Answer.UNKNOWN
    assert recorded_and_computed(Provider(), CLASSIFIER, H100, DAY).comparison == "not_recorded"
    assert provider_of().entity == ()


def test_a_node_has_its_place() -> None:
    """A node is where the one cluster stands whose patterns match its whole name, letter by letter."""
    place = PROVIDER.place_of("gpu-b-3")
    assert (place.cluster, place.site, place.country, place.entity) == ("c-1", "s-1", "MY", "e-1")
    assert (place.us_person, place.tenancy) == ("no", "bare_metal")
    assert PROVIDER.place_of("gpu-b-33").cluster is None
    assert PROVIDER.place_of("GPU-A-1").cluster is None
    assert PROVIDER.place_of("gpu-c-1").reason == "the node is in no cluster of the provider register"


def test_a_node_in_two_clusters_is_in_none() -> None:
    """Where two clusters claim a node nobody guesses, and the reason names both."""
    place = PROVIDER.place_of("gpu-a-9")
    assert place.cluster is None
    assert place.us_person is Answer.UNKNOWN
    assert place.reason == "the node is in 2 clusters: c-1, c-2"


def test_the_site_s_entity_is_a_us_person_too() -> None:
    """Whoever runs the cluster, a U.S. person whose site it is makes the answer yes."""
    assert PROVIDER.place_of("gpu-x-9").us_person is Answer.YES
    not_known = provider_of(TEXT.replace('us_person = "yes"', 'us_person = "unknown"'))
    assert not_known.place_of("gpu-x-9").us_person is Answer.UNKNOWN


@unhurried
@given(st.text(), st.lists(st.text(alphabet="ab*?[]!-", min_size=1), min_size=1, max_size=4))
def test_any_name_and_any_pattern_have_an_answer(node: str, patterns: list[str]) -> None:
    """A pattern is refused or no name of a node breaks it, and a second cluster never gives a place to a lost node."""
    one = a_cluster("x-1", *patterns)
    places = ENTITY + PLACES.split("[[cluster]]")[0]
    error = refusal_of(lambda: provider_of(places, one))
    if error is not None:
        assert_clear(error)
        return
    alone, both = (provider_of(places, each) for each in (one, one + one.replace("x-1", "x-2")))
    assert both.place_of(node).cluster is None
    assert alone.place_of(node).cluster in (None, "x-1")


# Faults


@pytest.mark.parametrize(
    ("old", "new", "table", "field"),
    [
        ('headquarters_country = "SG"', 'headquarters_country = "Singapore"', "[entity] e-1", "headquarters_country"),
        ('us_person = "no"', 'us_person = "perhaps"', "[entity] e-1", "us_person"),
        ('us_person = "no"\n', "", "[entity] e-1", "us_person"),
        ('us_person = "no"\n', 'us_person = "no"\nnationality = "x"\n', "[entity] e-1", "nationality"),
        ('id = "e-2"', 'id = "e-1"', "[entity] e-1", "id"),
        ('id = "e-2"', 'id = "e 2"', "[entity] e 2", "id"),
        ('country = "MY"', 'country = "XX"', "[site] s-1", "country"),
        ('site = "s-2"', 'site = "s-3"', "[cluster] c-2", "site"),
        ('entity = "e-1"\nnodes = ["gpu-*-9"]', 'entity = "e-3"\nnodes = ["gpu-*-9"]', "[cluster] c-2", "entity"),
        ('nodes = ["gpu-*-9"]', "nodes = []", "[cluster] c-2", "nodes"),
        ('nodes = ["gpu-*-9"]', 'nodes = "gpu-*-9"', "[cluster] c-2", "nodes"),
        ('nodes = ["gpu-*-9"]', 'nodes = ["gpu-*", "gpu-[0-9"]', "[cluster] c-2", "nodes[2]"),
        ('nodes = ["gpu-*-9"]', 'nodes = ["gpu-[9-0]"]', "[cluster] c-2", "nodes[1]"),
        ('tenancy = "bare_metal"', 'tenancy = "bare metal"', "[cluster] c-1", "tenancy"),
        ("as_of = 2026-07-01", "as_of = 2026-07-01T00:00:00", "[entity] e-1", "as_of"),
        ("[[site]]\n", "[[place]]\n", "whole file", "place"),
        ("[[site]]\n", "[site]\n", "whole file", "syntax"),
    ],
)
def test_a_fault_is_one_line(old: str, new: str, table: str, field: str) -> None:
    """A fault of the file is told with file, table, field and what to do, and nothing is loaded."""
    error = refusal_of(lambda: provider_of(TEXT.replace(old, new, 1)))
    assert error is not None
    assert (error.file, error.table, error.field) == ("provider.toml", table, field)
    assert_clear(error)


@pytest.mark.parametrize("name", ['""', r'"Example\nCompute"', "7", '["Example Compute"]'])
def test_a_name_is_never_repeated(name: str) -> None:
    """A name that will not do is refused without being said."""
    text = TEXT.replace('"Example Compute Pte. Ltd."', name)
    error = refusal_of(lambda: provider_of(text))
    assert error is not None
    assert error.field == "name"
    assert "Example" not in str(error)


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (a_record("3A90"), "eccn"),
        (a_record("3A090.a "), "eccn"),
        (a_record("controlled"), "eccn"),
        (a_record("3A090.a", nodes=[]), "accelerator"),
        (a_record("3A090.a", serials=[7]), "serials[1]"),
        (a_record("3A090.a", nodes=["gpu-a-[0-9"]), "nodes[1]"),
    ],
)
def test_faults_of_hardware_tell_the_row(row: str, field: str) -> None:
    """A record has no id, so that a fault of one tells which it is by its number."""
    error = refusal_of(lambda: provider_of(a_record("3A090.a") + row))
    assert error is not None
    assert (error.table, error.field) == ("[hardware] 2", field)


@unhurried
@given(st.data())
def test_a_damaged_file_is_whole_or_refused(data: st.DataObject) -> None:
    """Whatever is cut out of a register or put into it, it is read whole or there is one clear line."""
    text = TEXT + a_record("3A090.a")
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(len(text), begin + 60)))
    damaged = text[:begin] + data.draw(st.text(max_size=8)) + text[end:]
    error = refusal_of(lambda: provider_of(damaged))
    if error is not None:
        assert_clear(error)


def test_a_file_of_bytes_is_refused(tmp_path: Path) -> None:
    """What is no text is refused in one line."""
    path = tmp_path / "provider.toml"
    path.write_bytes(b"\xff\xfe\x00")
    error = refusal_of(lambda: read_provider(path))
    assert error is not None
    assert error.field == "encoding"


def test_a_file_is_its_bytes(tmp_path: Path) -> None:
    """A byte order mark and other ends of lines change nothing but the digest, which is that of the file."""
    plain, marked = tmp_path / "plain.toml", tmp_path / "marked.toml"
    plain.write_bytes(TEXT.encode())
    marked.write_bytes(TEXT.replace("\n", "\r\n").encode("utf-8-sig"))
    for path in (plain, marked):
        found = read_provider(path)
        assert found.digest == hashlib.sha256(path.read_bytes()).hexdigest()
        assert found.place_of("gpu-b-3") == PROVIDER.place_of("gpu-b-3")


def test_the_register_in_the_readme_is_one(tmp_path: Path) -> None:
    """What README shows can be read, and places a node."""
    block = README.partition("one line says file, table and field.\n\n")[2].partition("\n\nA node in two clusters")[0]
    path = tmp_path / "provider.toml"
    path.write_text(block.replace("\n    ", "\n").strip(), encoding="utf-8")
    place = read_provider(path).place_of("gpu-a-1")
    assert (place.cluster, place.country, place.tenancy) == ("c-1", "MY", "shared")


# Classes


@pytest.mark.parametrize(
    ("eccn", "paragraph", "agree"),
    [
        ("3A090.a", "3A090.a.1", True),
        ("3A090.a.1", "3A090.a.1", True),
        ("3A090", "3A090.a.1", True),
        ("3A090.a", "3A090", True),
        ("4A090.a", "3A090.a.2", True),
        ("5A992.z.1", "3A090.a.1", True),
        ("5A992.z", "3A090.a.1", True),
        ("3A090.a.2", "3A090.a.1", False),
        ("3A090.b", "3A090.a.1", False),
        ("4A090.b", "3A090.a.1", False),
        ("5A992.z.2", "3A090.a.1", False),
        ("5A992.z.2", "3A090.b.1", True),
        ("EAR99", "3A090.a.1", False),
        ("5A992.c", "3A090.a.1", False),
        ("EAR99", "none", True),
        ("5A992.c", "none", True),
        ("4A994.l", "none", True),
        ("3A090.b", "none", False),
        ("4A090", "none", False),
        ("5A992.z.1", "none", False),
    ],
)
def test_agreement(eccn: str, paragraph: str, agree: bool) -> None:
    """A record agrees where it is the circuit's paragraph, or what such a circuit leads to, as far as both go."""
    assert agrees(eccn, paragraph, CLASSIFIER) is agree


def test_what_is_controlled_is_the_facts() -> None:
    """An entry that an overlay adds to what such circuits lead to is controlled, in whichever paragraph."""
    row = "[[control.related]]\nparagraph = '3A090.a'\nitems = ['9A999.a']\ntext = 'x'\nsources = ['own_choice']\n"
    assert agrees("9A999.b", "none", CLASSIFIER)
    assert not agrees("9A999.b", "none", load_facts([an_overlay(row)]).classifier)


def test_side_by_side() -> None:
    """Both are shown; a record that is not there, or figures that are not known, are said and settle nothing."""
    assert beside(a_record("3A090.a")).comparison == "agree"
    assert beside(a_record("3A090.a"), accelerator="NVIDIA H100 SXM").comparison == "agree"
    assert beside(a_record("EAR99")).comparison == "differ"
    assert beside(a_record("EAR99"), accelerator="NVIDIA H20").comparison == "not_recorded"
    unknown = beside(a_record("EAR99", accelerator="Abacus 9"), accelerator="abacus 9")
    assert (unknown.comparison, unknown.computed.paragraph) == ("not_computed", "unclassified")


def test_the_newest_record_of_the_day_counts() -> None:
    """A newer record takes an older one's place from its day on, and two of one day that differ are a difference."""
    old, new = a_record("EAR99"), a_record("3A090.a", "2026-05-01")
    assert beside(old, new).comparison == "agree"
    assert beside(new, old, day=date(2026, 4, 30)).comparison == "differ"
    assert beside(new, day=date(2026, 4, 30)).comparison == "not_recorded"
    assert beside(a_record("EAR99"), a_record("3A090.a")).comparison == "differ"


def test_the_nearest_record_counts() -> None:
    """What is recorded of a serial goes before what is of the node, and that before what is of the accelerator."""
    records = (
        a_record("EAR99"),
        a_record("3A090.b", nodes=["gpu-a-*"]),
        a_record("3A090.a", serials=["16509"]),
        a_record("4A090.a", accelerator="NVIDIA H20", nodes=["gpu-a-*"]),
    )
    assert [each.eccn for each in beside(*records).recorded] == ["EAR99"]
    assert [each.eccn for each in beside(*records, node="gpu-a-1").recorded] == ["3A090.b"]
    assert [each.eccn for each in beside(*records, node="gpu-a-1", serial="16509").recorded] == ["3A090.a"]
    assert [each.eccn for each in beside(*records, node="gpu-z-1").recorded] == ["EAR99"]


def test_a_difference_says_what_is_open() -> None:
    """The reason has both classes, whose the record is, and a letter or Note 2 where they may explain it."""
    reason = beside(a_record("3A090.b", accelerator="NVIDIA H20"), accelerator="NVIDIA H20").reason
    assert reason == (
        "recorded as 3A090.b by counsel on 2026-01-05 (memorandum), by its numbers none, a letter is about it"
    )


# The command


@pytest.fixture(autouse=True)
def _without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings in the environment."""
    for name in [name for name in os.environ if name.startswith("FLOPWATCH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "9000")


@pytest.fixture
def register(tmp_path: Path) -> Path:
    """A register in a file."""
    path = tmp_path / "provider.toml"
    path.write_text(TEXT + a_record("EAR99") + a_record("3A090.a", serials=["16509"]), encoding="utf-8")
    return path


def test_show_prints_every_table(register: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The register is printed with the computed class beside the recorded one."""
    assert command.main(["provider", "show", "--provider", str(register), "--at", "2026-11-29"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert {"Entities: 2", "Sites: 2", "Clusters: 2", "Hardware by the law of 2026-11-29: 2"} <= set(lines)
    assert "c-1 s-1 e-1 gpu-a-*, gpu-b-[0-9] bare_metal" in lines
    assert f"{H100} EAR99 counsel memorandum 2026-01-05 3A090.a.1 no differ" in lines
    assert "serial 16509 3A090.a counsel memorandum 2026-01-05 names no accelerator - -" in lines
    assert "Where record and arithmetic differ a person has to look; neither decides." in lines
    assert any(line.startswith("The paragraph is arithmetic over these figures") for line in lines)


def test_show_says_what_is_not_on_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of an empty register each table says what it lacks, and of a node that nothing is known, which clears nobody."""
    path = tmp_path / "provider.toml"
    path.write_text("", encoding="utf-8")
    assert command.main(["provider", "show", "--provider", str(path), "--at", "2026-11-29"]) == 0
    lines = capsys.readouterr().out.splitlines()
    lacking = [f"no {each} is on record" for each in ("entity", "site", "cluster", "class")]
    assert [line for line in lines if line.endswith("is on record")] == lacking
    assert command.main(["provider", "show", "--provider", str(path), "--node", "n-1"]) == 0
    said = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    not_known = [f"{each} not known" for each in ("cluster", "site", "country", "entity")]
    place = [*not_known, "U.S. person unknown", "tenancy not known"]
    assert said[:9] == ["Place of n-1", "node n-1", *place, "in words nothing is known of it"]


def test_show_for_programs(register: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON document has the tables, both classes, and the digests of register and facts."""
    assert command.main(["provider", "show", "--provider", str(register), "--format", "json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["provider_digest"] == read_provider(register).digest
    assert content["facts_digest"] == FACTS.digest
    assert [each["comparison"] for each in content["hardware"]] == ["differ", "not_computed"]


def test_show_a_node(register: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One node's place is printed, with the activities that could apply by the cluster's tenancy."""
    assert command.main(["provider", "show", "--provider", str(register), "--node", "gpu-a-1"]) == 0
    said = capsys.readouterr().out
    assert "cluster c-1 of e-1, at site s-1 of e-1 in MY" in said
    assert "in-country transfer, because the tenancy is bare metal" in said


def test_the_command_needs_a_register(register: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a register, or with a bad one, the command ends with 2 and one line."""
    assert command.main(["provider", "show"]) == 2
    register.write_text("[[entity]]\n", encoding="utf-8")
    assert command.main(["provider", "show", "--provider", str(register)]) == 2
    assert command.main(["provider", "show", "--provider", str(register.parent / "none.toml")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3
