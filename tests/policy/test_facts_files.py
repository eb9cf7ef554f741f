import csv
import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.facts import TEXTS, assert_clear, facts_with, refusal_of

from policy.facts.evidence import Evidence
from policy.facts.reading import FILES, KEYS, TOPICS, load_facts, read_facts
from policy.facts.tables import FactsError

FACTS = load_facts()
READINGS = Path(__file__).parent.parent / "golden/facts/readings.csv"
"""Of every document, when it was read and until when that is good, as approved."""
KEY = re.compile(r"^(\w+) = ", re.MULTILINE)
OPTIONAL = {
    "valid_from", "valid_to", "state_from", "state_to", "ear_from", "ear_to", "governed_by", "note", "note_2_tpp",
    "url", "evidence", "names", "rates", "reaches_dram_bandwidth_gb_per_second",
    "reaches_interconnect_gb_per_second", "name_sources", "unverified_names", "vgpu_names", "variants", "written_names",
    "dense_teraop_per_second", "dense_tflop_per_second", "pci", "memory_gb", "memory_bandwidth_gb_per_second",
    "die_area_mm2", "interconnect_gb_per_second", "number", "compare", "ear_name", "aliases",
    "dram_bandwidth_gb_per_second_below", "tpp_below", "history_sources", "added", "die_names", "die_pci", "trained_in",
}  # fmt: skip
"""Keys that a row may go without."""
REQUIRED = [(file, match.start()) for file in FILES for match in KEY.finditer(TEXTS[file]) if match[1] not in OPTIONAL]
TABLE = re.compile(r"^(?=\[)", re.MULTILINE)
VALUE = re.compile(r"^\w+ = (.+)$", re.MULTILINE)
VALUES = [(file, match.span(1)) for file in FILES for match in VALUE.finditer(TEXTS[file])]
JUNK = [
    "nan",
    "-1",
    "0",
    '""',
    '"x"',
    "[]",
    "{}",
    "[[1]]",
    "true",
    "1e400",
    "1979-05-27",
    "9" * 400,
    "{ a = 1 }",
    '["x"]',
    r'"\u001b[31m\n x"',
    '" x"',
    '"x "',
    '["x", "x"]',
]
LINES = [(file, number) for file in FILES for number in range(len(TEXTS[file].splitlines()))]
some = settings(deadline=None, max_examples=40)


def test_every_row_has_a_source() -> None:
    """Every source has documents with a citation, an evidence level, a day read and a later day of review."""
    assert len(FACTS.sources) > 200
    for source in FACTS.sources:
        for document in source.documents:
            assert document.citation
            assert document.read_on < document.review_by
            assert document.good_through <= document.review_by


def test_every_document_is_cited_or_kept_for_rules() -> None:
    """No document stands in the file that neither a row nor a rule could want: it is law, or a row cites it."""
    cited = {document.id for source in FACTS.sources for document in source.documents}
    uncited = {each for each in FACTS.documents if each not in cited}
    assert {FACTS.documents[each].evidence for each in uncited} <= {Evidence.OFFICIAL, Evidence.SECONDARY}


def test_evidence_is_never_better_than_the_documents() -> None:
    """A row from memory is unverified although it cites an official text; none is better than what it cites."""
    order = list(Evidence)
    for source in FACTS.sources:
        assert order.index(source.evidence) >= max(order.index(each.evidence) for each in source.documents)
    with pytest.raises(FactsError, match="is better than its documents"):
        facts_with("switches.toml", 'evidence = "unverified"', 'evidence = "official"')


def test_overdue() -> None:
    """A document is overdue from the day after its own term ends, or after our day of review, whichever comes first."""
    stay = FACTS.documents["fr_90_50857"]
    assert stay.term_ends == stay.good_through == date(2026, 11, 9) < stay.review_by
    assert stay not in FACTS.overdue(date(2026, 11, 9))
    assert stay in FACTS.overdue(date(2026, 11, 10))
    assert set(FACTS.overdue(date.max)) == set(FACTS.documents.values())
    assert FACTS.overdue(date(2026, 6, 1)) == ()


def test_review_days_move_with_readings_only() -> None:
    """No document's day was moved since it was last approved without a newer reading; new ones are approved first."""
    approved = {row["document"]: row for row in csv.DictReader(READINGS.read_text(encoding="utf-8").splitlines())}
    assert set(approved) == set(FACTS.documents)
    for document in FACTS.documents.values():
        before = approved[document.id]
        assert document.read_on >= date.fromisoformat(before["read_on"])
        if document.read_on == date.fromisoformat(before["read_on"]):
            assert document.good_through <= date.fromisoformat(before["good_through"])


@some
@given(st.sampled_from(REQUIRED))
def test_a_dropped_key_is_an_error(where: tuple[str, int]) -> None:
    """Whichever required key a file loses, the error names the file and the key's loss is not passed over."""
    file, begin = where
    text = TEXTS[file]
    with pytest.raises(FactsError) as caught:
        read_facts({**TEXTS, file: text[:begin] + "#" + without_value(text[begin:])})
    assert caught.value.file == file or "there is no document" in caught.value.problem


def without_value(text: str) -> str:
    """The text with its first key's value, which may have several lines, as comments."""
    line, _, rest = text.partition("\n")
    for opening, closing in (('"""', '"""'), ("[", "]")):
        value = line.partition(" = ")[2]
        if value.startswith(opening) and closing not in value[len(opening) :]:
            block, end, after = rest.partition(closing)
            return line + "\n" + "\n".join(f"#{each}" for each in (block + end).split("\n")) + after
    return text


@some
@given(st.sampled_from(REQUIRED))
def test_an_unknown_key_is_an_error(where: tuple[str, int]) -> None:
    """A key that no field stands for is refused in every row, and the error names the keys there are."""
    file, begin = where
    text = TEXTS[file]
    with pytest.raises(FactsError, match=r"surprise: unknown key; remove it, or use one of: "):
        read_facts({**TEXTS, file: text[:begin] + "surprise = 1\n" + text[begin:]})


def one_clear_error(texts: dict[str, str]) -> None:
    """Reading gives whole facts, or one error of one line that says which file, where in it, and what to do."""
    error = refusal_of(lambda: read_facts(texts))
    if error is not None:
        assert_clear(error)
        assert error.file in FILES


@some
@given(st.sampled_from(VALUES), st.sampled_from(JUNK))
def test_junk_for_a_value(where: tuple[str, tuple[int, int]], junk: str) -> None:
    """Whatever stands in a value's place, the facts are whole or there is one clear error, and never half of them."""
    file, (begin, end) = where
    text = TEXTS[file]
    one_clear_error({**TEXTS, file: text[:begin] + junk + text[end:]})


@some
@given(st.sampled_from(LINES), st.sampled_from(["drop", "double", "swap", "cut"]))
def test_lines_in_disorder(where: tuple[str, int], what: str) -> None:
    """A file with a line dropped, doubled or moved, or cut off there, is whole or one clear error."""
    file, number = where
    lines = TEXTS[file].splitlines()
    changed = {
        "drop": lines[:number] + lines[number + 1 :],
        "double": lines[: number + 1] + lines[number:],
        "swap": lines[:number] + lines[number : number + 2][::-1] + lines[number + 2 :],
        "cut": lines[:number],
    }[what]
    one_clear_error({**TEXTS, file: "\n".join(changed)})


@some
@given(st.sampled_from(FILES), st.text(max_size=200))
def test_any_text(file: str, text: str) -> None:
    """Any text at all is whole facts or one clear error."""
    one_clear_error({**TEXTS, file: text})


KEYED = [(topic, table) for topic, tables in KEYS.items() for table in tables]


@some
@given(st.sampled_from(KEYED), st.sampled_from(["-1", '"x"', "[]", "{}", "[1]", "[[]]", "{ a = 1 }"]))
def test_no_list_of_tables(where: tuple[str, str], junk: str) -> None:
    """Anything else in the place of a topic's rows is whole facts, as where it is an empty list, or one clear error."""
    topic, table = where
    file = TOPICS[topic].FILE
    other = [each for each in TABLE.split(TEXTS[file]) if not each.startswith((f"[[{table}]]", f"[[{table}."))]
    one_clear_error({**TEXTS, file: f"{table} = {junk}\n" + "".join(other)})


ONE_MORE = "  { paragraph = 'x', tpp_at_least = 1 },\n"


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        (
            "switches.toml",
            '"entity_list"\n',
            '"entity_list "\n',
            "[switch] entity_list , id: 'entity_list ' will not do",
        ),
        ("switches.toml", '"entity_list"\n', '"\u0435ntity_list"\n', "[switch], id: ['\\u0435ntity_list'] has letters"),
        ("tiers.toml", '"eu_gpai_systemic"', '"eu_gpai_systemic", "eu_gpai_systemic"', "compare: says one thing twice"),
        ("control.toml", "  { paragraph", ONE_MORE * 2 + "  { paragraph", "criteria: says one thing twice"),
        ("jurisdictions.toml", '"AF",', '"AF", "AF",', "[group] D:5, members: says one thing twice, as number 1 and 2"),
        ("countries.toml", 'code = "CI"', 'code = "CN"', "[country], code: two rows have the same code"),
    ],
    ids=["a space", "a foreign letter", "an id", "a criterion", "a member", "a country"],
)
def test_said_twice_or_nearly(file: str, old: str, new: str, words: str) -> None:
    """What is written twice, or with a space or a foreign letter that nobody sees, is refused and not taken as new."""
    with pytest.raises(FactsError) as caught:
        facts_with(file, old, new)
    assert words in str(caught.value)
    assert_clear(caught.value)


def test_a_deep_file() -> None:
    """A file of nested lists beyond what can be read is one clear error."""
    with pytest.raises(FactsError, match=r"estimation\.toml, whole file, syntax"):
        read_facts({**TEXTS, "estimation.toml": "x = " + "[" * 100_000})


@pytest.mark.parametrize("file", FILES)
def test_not_toml(file: str) -> None:
    """A file that is not TOML is named, with the place of the fault."""
    with pytest.raises(FactsError, match=rf"{re.escape(file)}, whole file, syntax: .*line 1"):
        read_facts({**TEXTS, file: "= 1"})


@pytest.mark.parametrize(
    ("old", "new", "field", "problem"),
    [
        ("review_by = 2027-03-29", "review_by = 2020-01-01", "review_by", "not after read_on"),
        ("term_ends = 2026-11-09\n", "", "term", "stand together"),
        ('evidence = "official"', 'evidence = "certain"', "evidence", "'certain' will not do"),
        ("[fr_83_6457]", "[fr_83_6457]\nid = 'x'", "id", "unknown key"),
        ("[fr_83_6457]", "[[fr_83_6457]]", "rows", "is no table"),
        ("[fr_83_6457]", '["\u0433r_83_6457"]', "id", "'\\u0433r_83_6457' has letters beyond ASCII"),
        ("[fr_83_6457]", '["fr_83_6457 "]', "id", "will not do"),
    ],
)
def test_bad_documents(old: str, new: str, field: str, problem: str) -> None:
    """A document that was to be reviewed before it was read, or ends without saying what ends, is refused."""
    with pytest.raises(FactsError) as caught:
        facts_with("sources.toml", old, new)
    assert (caught.value.file, caught.value.field) == ("sources.toml", field)
    assert problem in caught.value.problem


def test_rows_are_told_apart() -> None:
    """Two rows with one key are refused: nobody could say which of them an overlay replaces."""
    with pytest.raises(FactsError, match="two rows have the same id"):
        facts_with("switches.toml", 'id = "entity_list"', 'id = "sdn_programmes"')


def test_digest_is_of_content() -> None:
    """The digest is the same under other line ends, comments and order of files, and another for any other value."""
    changed = {file: "# read again\n" + text.replace("\n", "\r\n") for file, text in reversed(TEXTS.items())}
    assert read_facts(changed).digest == FACTS.digest == load_facts().digest
    assert facts_with("estimation.toml", "value = 0.43", "value = 0.44").digest != FACTS.digest
    assert facts_with("countries.toml", '"Holland"', '"Hollandia"').digest != FACTS.digest
    assert facts_with("sources.toml", "review_by = 2027-03-29", "review_by = 2027-03-30").digest != FACTS.digest


def test_digest_covers_tiers() -> None:
    """Setting a tier changes the digest, and so does saying why."""
    own = FACTS.with_tiers({"review": 1e15}, basis="a demonstration")
    digests = {FACTS.digest, own.digest, FACTS.with_tiers({"review": 1e15}, basis="a decision").digest}
    assert len(digests) == 3
    assert own.files_digest == FACTS.files_digest
    assert len(own.digest) == 64
