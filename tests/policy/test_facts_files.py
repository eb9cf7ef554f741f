import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.kyc import fact_texts

from policy.facts.facts import FILES, load_facts, read_facts
from policy.facts.tables import FactsError

FACTS = load_facts()
TEXTS = fact_texts()
KEY = re.compile(r"^(\w+) = ", re.MULTILINE)
OPTIONAL = {"valid_from", "state_to", "ear_to", "unverified_names", "note", "dense_teraop_per_second"}
"""Keys that a row may go without; a note may be missing only where the row's class says so."""
REQUIRED = [
    (file, match.start())
    for file in FILES
    for match in KEY.finditer(TEXTS[file])
    if match[1] not in OPTIONAL and match[1] != "governed_by"
]


def rows_of(file: str) -> int:
    """Count the tables of a file that are rows; a list's brackets stand at no line's beginning."""
    return len(re.findall(r"^\[{1,2}\w+\]{1,2}$", TEXTS[file], re.MULTILINE))


def test_every_row_has_a_source() -> None:
    """Every row of every file has a citation, an evidence level, a day read and a later day of review."""
    assert len(FACTS.sources) == sum(rows_of(file) for file in FILES)
    for source in FACTS.sources:
        assert source.citation
        assert source.read_on < source.review_by


def test_overdue() -> None:
    """A source is overdue from the day after its review day."""
    assert FACTS.overdue(date(2026, 12, 31)) == ()
    overdue = FACTS.overdue(date(2027, 1, 1))
    assert [source.citation for source in overdue] == ["22 CFR 126.1(r); 89 FR 40369"]
    assert set(FACTS.overdue(date.max)) == set(FACTS.sources)


@given(st.sampled_from(REQUIRED))
def test_a_dropped_key_is_an_error(where: tuple[str, int]) -> None:
    """Whichever required key a file loses, the error names the file and the key's loss is not passed over."""
    file, begin = where
    text = TEXTS[file]
    end = text.find("\n]", begin) + 2 if text[begin:].startswith("kinds") else text.index("\n", begin)
    with pytest.raises(FactsError) as caught:
        read_facts(TEXTS | {file: text[:begin] + text[end:]})
    assert caught.value.file == file
    assert caught.value.problem == "missing"


@given(st.sampled_from(REQUIRED))
def test_an_unknown_key_is_an_error(where: tuple[str, int]) -> None:
    """A key that no field stands for is refused in every row, and the error names the keys there are."""
    file, begin = where
    text = TEXTS[file]
    with pytest.raises(FactsError, match=r"surprise: unknown key; remove it, or use one of: "):
        read_facts(TEXTS | {file: text[:begin] + "surprise = 1\n" + text[begin:]})


@pytest.mark.parametrize("file", FILES)
def test_not_toml(file: str) -> None:
    """A file that is not TOML is named, with the place of the fault."""
    with pytest.raises(FactsError, match=rf"{re.escape(file)}, whole file, syntax: .*line 1"):
        read_facts(TEXTS | {file: "= 1"})


@pytest.mark.parametrize("file", FILES)
def test_review_day_after_reading(file: str) -> None:
    """A row that was to be reviewed before it was read is refused."""
    text = re.sub(r"review_by = .*", "review_by = 2020-01-01", TEXTS[file], count=1)
    with pytest.raises(FactsError) as caught:
        read_facts(TEXTS | {file: text})
    assert caught.value.field == "review_by"


def test_digest_is_of_content() -> None:
    """The digest is the same under other line ends, comments and order of files, and another for any other value."""
    changed = {file: "# read again\n" + text.replace("\n", "\r\n") for file, text in reversed(TEXTS.items())}
    assert read_facts(changed).digest == FACTS.digest == load_facts().digest
    other = TEXTS["estimation.toml"].replace("value = 0.40", "value = 0.41")
    assert read_facts(TEXTS | {"estimation.toml": other}).digest != FACTS.digest


def test_digest_covers_tiers() -> None:
    """Setting a tier changes the digest, and so does saying why."""
    own = FACTS.with_tiers({"review": 1e15}, basis="a demonstration")
    digests = {FACTS.digest, own.digest, FACTS.with_tiers({"review": 1e15}, basis="a decision").digest}
    assert len(digests) == 3
    assert own.files_digest == FACTS.files_digest
    assert len(own.digest) == 64
