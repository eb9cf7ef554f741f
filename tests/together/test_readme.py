import dataclasses
import re
from datetime import date
from pathlib import Path

import pytest

from collector.settings import Settings as CollectorSettings
from collector.settings import environment_name
from policy.__main__ import main
from policy.facts.overlays import read_overrides
from policy.facts.reading import load_facts
from policy.judgement.stitch import StitchWord
from policy.review.stitch import StitchState
from policy.review.ticket import Outcome
from policy.rules.evaluate import check_pack
from policy.rules.pack import load_pack, parse_pack
from policy.rules.subject import PATTERN_FIELDS
from policy.settings import ENVIRONMENT_PREFIX
from policy.settings import Settings as PolicySettings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_setting_of_the_collector_is_in_the_readme() -> None:
    """The README's table has every collector setting with its variable, default, unit and text."""
    for each in dataclasses.fields(CollectorSettings):
        default = each.default if each.default != "" else "–"
        unit, text = each.metadata["unit"] or "–", each.metadata["help"]
        flag = "--" + each.name.replace("_", "-")
        assert f"| `{flag}` | `{environment_name(each.name)}` | {default} | {unit} | {text} |" in README


def test_every_setting_of_the_centre_is_in_the_readme() -> None:
    """The README's table has every setting of the centre with its variable, default and text."""
    for name, about in PolicySettings.model_fields.items():
        default = about.default if about.default not in ("", None) else "–"
        flag = "--" + name.replace("_", "-")
        assert f"| `{flag}` | `{ENVIRONMENT_PREFIX}{name.upper()}` | {default} | {about.description} |" in README


def test_the_readme_names_no_setting_that_is_gone() -> None:
    """Every environment variable in the README is a setting."""
    known = {environment_name(each.name) for each in dataclasses.fields(CollectorSettings)}
    known |= {ENVIRONMENT_PREFIX + name.upper() for name in PolicySettings.model_fields}
    assert set(re.findall(r"`(FLOPWATCH_[A-Z_]+)`", README)) == known


def test_the_readme_lists_the_outcomes() -> None:
    """The closed set of outcomes in the README is the one in the code."""
    listed = README.split("Outcomes: ")[1].split(". ")[0]
    assert re.findall(r"`([a-z_]+)`", listed) == [outcome.value for outcome in Outcome]


def test_the_readme_lists_what_is_said_to_stitches() -> None:
    """The words and the states of stitches in the README are those in the code."""
    for heading, words in (("Words: ", StitchWord), ("States: ", StitchState)):
        listed = README.split(heading)[1].split(". ")[0]
        assert re.findall(r"`([a-z_]+)`", listed) == [word.value for word in words]


def test_the_readme_lists_the_rules_that_ship() -> None:
    """The table of rules in the README has every rule of the shipped pack, and no other."""
    table = README.split("| rule | looks for |\n")[1].split("\n\n")[0]
    assert sorted(re.findall(r"^\| `([a-z-]+)` \|", table, flags=re.MULTILINE)) == sorted(
        rule.id for rule in load_pack().rules
    )


def test_the_readme_names_the_rules_that_ask_for_a_pattern() -> None:
    """A pattern decides in the rules that the README names, and in no other that ships."""
    asking = [rule.id for rule in load_pack().rules if set(PATTERN_FIELDS) & set(rule.when.fields)]
    (named,) = re.findall(r"One rule that ships asks for one, `([a-z-]+)`", README)
    assert asking == [named]


def test_the_rule_in_the_readme_is_a_rule() -> None:
    """The rule that the README shows can be loaded, by the facts that ship."""
    shown = README.split("    - id: letter-controlled-used-in-scope\n")[1].split("\n\n")[0]
    text = f"pack: own\nrules:\n    - id: letter-controlled-used-in-scope\n{shown}\n"
    check_pack(parse_pack(text, "README.md"), load_facts())


def test_the_makefile_has_the_commands_that_the_readme_says_to_type() -> None:
    """Every `make` target that the README names exists."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert set(re.findall(r"^    make ([a-z-]+)", README, flags=re.MULTILINE)) <= targets


@pytest.mark.parametrize(
    ("command", "first"),
    [
        (("show", "accelerators"), "    device                    TPP"),
        (("check",), "    Documents past their day"),
    ],
    ids=str,
)
def test_the_facts_are_shown_as_they_are(
    command: tuple[str, ...], first: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What README shows of ``flopwatch facts`` is said in these lines, at the width and on the day that it names."""
    monkeypatch.setenv("COLUMNS", "116")
    main(["facts", *command, "--at", "2026-11-29"])
    said = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    block = README.partition(f"\n{first}")[2].partition("\n\n")[0]
    assert {line.removeprefix("    ") for line in (first + block).splitlines()} <= set(said)


def test_the_overlay_is_one(tmp_path: Path) -> None:
    """The overlay that README shows can be laid over the facts, and settles what it says, for as long as it says."""
    block = README.partition("    [overlay]\n")[2].partition("\n\nA document's review date")[0]
    (tmp_path / "counsel.toml").write_text("[overlay]\n" + block.replace("\n    ", "\n").lstrip(), encoding="utf-8")
    facts = load_facts(read_overrides(tmp_path))
    assert facts.tiers.flop("review") == 1e22
    assert facts.jurisdictions.in_scope("Cyprus", date(2027, 9, 30)).answer == "no"
    assert facts.jurisdictions.in_scope("Cyprus", date(2027, 10, 1)).answer == "unknown"
