from pathlib import Path

import pytest
from support.judgement import FACTS

import policy.rules
from policy.facts.overlays import read_overlay
from policy.facts.reading import load_facts
from policy.rules.evaluate import check_pack
from policy.rules.pack import PackError, load_pack, parse_pack
from policy.rules.subject import VOCABULARY

TEXT = (Path(policy.rules.__file__).parent / "packs" / "default.yaml").read_text(encoding="utf-8")
FIRST = "rule training-in-scope-headquarters: "
PACK = """
pack: own
rules:
  - id: one
    version: 1
    title: One
    when: {field: verdict, equals: training}
    reaches: {measure: run_flop, tier: review}
    severity: {crossed: high, may_have_crossed: low, not_evaluable: low}
    when_unknown: finding
    asks: Who?
    sources: [cfr_744_6]
"""

CONTRACT = """
[overlay]
kind = "override"
name = "contract"
reason = "our customers promise more than the law asks"
decided_on = 2026-05-01

[sources.our_contract]
citation = "Our terms of use, version 3"
evidence = "official"
read_on = 2026-05-01
review_by = 2027-05-01
"""


def error_of(text: str) -> str:
    """Give the whole error that a text makes."""
    with pytest.raises(PackError) as caught:
        parse_pack(text, "own.yaml")
    return str(caught.value)


def changed(old: str, new: str, text: str = PACK) -> str:
    """Change the text once."""
    assert old in text
    return text.replace(old, new, 1)


def test_shipped_pack() -> None:
    """The shipped pack loads, compares with tiers that there are, and each of its rules says what a gap means."""
    pack = load_pack()
    check_pack(pack, FACTS)
    assert (pack.pack, pack.file, len(pack.rules)) == ("default", "default.yaml", 30)
    assert {rule.when_unknown for rule in pack.rules} == {"finding", "no_finding"}


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            'equals: "yes"',
            "equals: yes",
            "when.all.1.any.0.equals: YAML reads an unquoted yes, no, on, off, true or false",
        ),
        ("equals: training", "equal: training", "when.all.0: a condition is a mapping with exactly one of equals, in"),
        ("field: verdict", "fields: verdict", "when.all.0.field: missing; add it; "),
        ("field: verdict", "field: verdikt", "when.all.0: 'verdikt' is not a text field; there are run_id"),
        ("equals: training", "equals: trainning", "when.all.0: verdict is never 'trainning'; it is one of training"),
        ("all:", "every:", "when: a condition is a mapping with exactly one of equals, in, at_least, all, any, not"),
        ("measure: group_flop", "measure: flop", "reaches.measure: Input should be 'run_flop', 'tenant_flop'"),
        ("tier: review", "tier: 1.0e+23", "reaches.tier: 1e+23 is not a text; put it in quotes"),
        ("crossed: high", "crossed: urgent", "severity.crossed: Input should be 'critical', 'high', 'medium' or 'low'"),
        ("crossed: high", "crosed: high", "severity.crosed: Input should be 'present', 'crossed'"),
        (
            "crossed: high, ",
            "",
            "severity: with reaches it names crossed, may_have_crossed, not_evaluable, and here may_",
        ),
        (
            "    reaches: {measure: group_flop, tier: review}\n",
            "",
            "severity: without reaches it names present, not_evalu",
        ),
        ("    when:", "    about: node\n    when:", "about: Input should be 'run' or 'accelerator'"),
        ("field: verdict", "field: vendor", "when: 'vendor' is no field of a rule about runs; there are run_id, "),
        ("when_unknown: finding", "when_unknown: ignore", "when_unknown: Input should be 'finding' or 'no_finding'"),
        ("    when_unknown: finding\n", "", "when_unknown: missing; add it"),
        ("version: 2", "version: one", "version: Input should be a valid integer"),
        ("version: 2", "version: 0", "version: Input should be greater than or equal to 1"),
        ("version: 2", "version: 2\n    note: x", "note: not a key of this place; remove it or correct it"),
    ],
)
def test_error_names_the_place(old: str, new: str, problem: str) -> None:
    """An error names the file, the rule and the field, and says one thing about it."""
    error = error_of(changed(old, new, TEXT))
    assert error.startswith(f"own.yaml: {FIRST}{problem}")
    assert error.count(FIRST) == 1 + problem.count("; add it; ")


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("id: one", "id: One!", "own.yaml: rule One!: id: String should match pattern"),
        ("id: one", "id: 7", "own.yaml: rule number 1: id: 7 is not a text; put it in quotes"),
        ("id: one", "name: one", "own.yaml: rule number 1: id: missing; add it"),
        ("title: One", "title: ''", "own.yaml: rule one: title: the text is empty; write one"),
        ("sources: [cfr_744_6]", "sources: []", "own.yaml: rule one: sources: Tuple should have at least 1 item"),
        ("pack: own", "pack: own\ndigest: x", "own.yaml: digest: not a key of this place"),
        ("pack: own", "pack: own\nfile: x", "own.yaml: file: not a key of this place"),
        ("pack: own", "", "own.yaml: pack: missing; add it"),
        ("pack: own", "pack: [", "own.yaml: not valid YAML: line 4: "),
        ("pack: own", "pack: !!python/object/apply:os.getcwd []", "own.yaml: not valid YAML: line 2: "),
        (
            "title: One",
            "title: One\n    title: Two",
            "own.yaml: not valid YAML: line 7: the key 'title' is there twice",
        ),
        (
            "equals: training}",
            "equals: training, field: link_state}",
            "own.yaml: not valid YAML: line 7: the key 'field'",
        ),
    ],
)
def test_errors_elsewhere(old: str, new: str, error: str) -> None:
    """What is wrong with the pack itself, or with a rule that has no id, is named by its place or line."""
    assert error_of(changed(old, new)).startswith(error)


@pytest.mark.parametrize("text", ["", "[]", "pack", "- 1"])
def test_not_a_pack(text: str) -> None:
    """A text that is no mapping is refused."""
    assert error_of(text) == "own.yaml: a pack is a mapping with 'pack' and 'rules'"


@pytest.mark.parametrize("rules", ["{}", "x", "[]", "[x]", "[[]]", "null"])
def test_no_rules(rules: str) -> None:
    """A pack without a list of rules is refused."""
    assert error_of(f"pack: own\nrules: {rules}").startswith("own.yaml: rule")


def test_condition_in_itself() -> None:
    """A condition that contains itself, by a YAML alias, is refused."""
    error = error_of(changed("when: {field: verdict, equals: training}", "when: &loop {all: [*loop]}"))
    assert error.startswith("own.yaml: rule one: when")


def test_many_problems() -> None:
    """An error tells the first five problems in the order of the file, and how many there are besides."""
    error = error_of("pack: own\nrules: [{id: one}]")
    assert error.startswith("own.yaml: rule one: version: missing; add it; rule one: title: missing; add it; ")
    assert error.endswith("; and 3 more")


def test_same_id_twice() -> None:
    """Two rules under one id are refused."""
    twice = PACK + PACK.partition("rules:\n")[2]
    assert error_of(twice) == "own.yaml: rule one: id: used twice; give each rule its own"


def test_unknown_tier() -> None:
    """A tier that nobody defined is refused before anything is judged, with those that there are."""
    pack = parse_pack(changed("tier: review", "tier: revue"), "own.yaml")
    with pytest.raises(
        PackError, match=r"^own\.yaml: rule one: reaches\.tier: no tier is called 'revue'; there are re"
    ):
        check_pack(pack, FACTS)
    check_pack(pack, FACTS.with_tiers({"revue": 1e22}, basis="a test"))


ABOUT_ACCELERATORS = """
pack: own
rules:
  - id: one
    version: 1
    title: One
    about: accelerator
    when: {field: node_count, at_least: 2}
    severity: {present: low, not_evaluable: low}
    when_unknown: no_finding
    asks: Which?
    sources: [cfr_744_6]
"""


def test_about_accelerators() -> None:
    """A rule may be about accelerators, and then compares no amount of compute."""
    pack = parse_pack(ABOUT_ACCELERATORS, "own.yaml")
    check_pack(pack, FACTS)
    assert (pack.rules[0].about, pack.rules[0].reaches, pack.tiers) == ("accelerator", None, ())
    of_runs = changed("field: node_count", "field: peak_devices", ABOUT_ACCELERATORS)
    strange = "when: 'peak_devices' is no field of a rule about accelerators; there are accelerator, device, vendor, "
    assert error_of(of_runs).startswith(f"own.yaml: rule one: {strange}")
    reaching = changed(
        "    severity:", "    reaches: {measure: run_flop, tier: review}\n    severity:", ABOUT_ACCELERATORS
    )
    assert error_of(reaching).startswith("own.yaml: rule one: reaches: only runs add up to an amount of compute; leave")


def test_a_field_of_both_has_one_type() -> None:
    """What a field of runs and of accelerators holds does not depend on what the rule is about."""
    runs, accelerators = VOCABULARY.values()
    assert [name for name in runs if name in accelerators and runs[name] != accelerators[name]] == []


def test_tiers() -> None:
    """A pack tells the tiers that its rules compare with."""
    assert load_pack().tiers == ("frontier", "large", "review", "systemic")


def test_unknown_source() -> None:
    """A source that is no document of the facts is refused, with what to add where; an overlay's document will do."""
    pack = parse_pack(changed("cfr_744_6", "our_contract"), "own.yaml")
    how = (
        r"give the id of one, or add it in an overlay as \[sources\.our_contract\] with citation, evidence, read_on and"
    )
    with pytest.raises(
        PackError, match=rf"^own\.yaml: rule one: sources: the facts have no document 'our_contract'; {how}"
    ):
        check_pack(pack, FACTS)
    check_pack(pack, load_facts([read_overlay(CONTRACT, "own.toml")]))


def test_unreadable(tmp_path: Path) -> None:
    """A file that is not there, or not UTF-8, is refused with its place."""
    with pytest.raises(PackError, match=r"none\.yaml: cannot be read .*; give an existing file with --rules"):
        load_pack(tmp_path / "none.yaml")
    (tmp_path / "own.yaml").write_bytes(b"pack: \xff")
    with pytest.raises(PackError, match=r"own\.yaml: not UTF-8; save it as UTF-8"):
        load_pack(tmp_path / "own.yaml")


def test_digest() -> None:
    """Any other text is another digest, and the same text the same."""
    assert parse_pack(PACK, "a").digest == parse_pack(PACK, "b").digest
    assert parse_pack(PACK, "a").digest != parse_pack(changed("Who?", "Who"), "a").digest
