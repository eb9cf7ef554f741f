"""``flopwatch facts`` as people run it: at any width, for programs, and over a provider's overrides."""

import json
import os
import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.commands import flopwatch
from support.overlays import ETHIOPIA, NEW_PART, STAY_EXTENDED, a_scenario, an_overlay
from support.usage import a_moment

import policy.__main__ as command
from collector.contract import Provenance
from policy.commands.facts.command import LAYERS, TOPICS
from policy.facts.overlays import read_overrides
from policy.facts.reading import TOPICS as FILE_TOPICS
from policy.facts.reading import load_facts
from policy.frames import empty
from policy.usage.counters import COUNTERS
from policy.usage.ledger import Ledger
from policy.usage.window import BALANCE

FACTS = load_facts()
WIDE = 9000  # so that nothing is folded
TODAY = ("--at", "2026-11-29")
ANSWERS = {
    **{topic: (topic,) for topic in (*TOPICS, LAYERS)},
    "a country": ("jurisdictions", "--country", "Hong Kong SAR"),
    "a name": ("accelerators", "--name", "NVIDIA H20"),
    "an unknown name": ("accelerators", "--name", "Abacus 9"),
}


@pytest.fixture(autouse=True)
def _without_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings in the environment."""
    for name in [name for name in os.environ if name.startswith("FLOPWATCH_")]:
        monkeypatch.delenv(name)


class Said:
    """What the command said in this process, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def flat(self) -> str:
        """On one line, as if nothing had been folded."""
        return " ".join(self.out.split())

    @property
    def content(self) -> Any:
        """The JSON document."""
        return json.loads(self.out)


class Facts:
    """Runs ``flopwatch facts``."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys, self._monkeypatch = capsys, monkeypatch

    def __call__(self, *arguments: str | Path, width: int = WIDE) -> Said:
        """Run it at this width."""
        self._monkeypatch.setenv("COLUMNS", str(width))
        code = command.main(["facts", *map(str, arguments)])
        said = self._capsys.readouterr()
        return Said(code, said.out, said.err)

    def json(self, *arguments: str | Path) -> Any:
        """The document of a command that ends well."""
        said = self(*arguments, "--format", "json")
        assert said.code == 0, said.err
        return said.content


@pytest.fixture
def facts(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Facts:
    """The command."""
    return Facts(capsys, monkeypatch)


# At any width


@pytest.mark.parametrize("answer", ANSWERS)
def test_nothing_is_wider_than_the_terminal_and_nothing_is_lost(facts: Facts, answer: str) -> None:
    """At every width there are the same characters, in lines that fit, and no colours where nobody looks."""
    said = {width: facts("show", *ANSWERS[answer], *TODAY, width=width).out for width in (40, 100, 140, WIDE)}
    for width, text in said.items():
        assert max(map(len, text.splitlines())) <= width
        assert "\x1b" not in text
        assert "…" not in text
    whole = set(re.findall(r"\w+", said[WIDE]))
    assert whole <= set(re.findall(r"\w+", said[140]))
    pressed = "".join(re.findall(r"\w", said[40]))
    assert len(pressed) >= len("".join(whole))


@pytest.mark.parametrize("answer", ANSWERS)
def test_json_is_one_document_that_comes_back_as_it_is(facts: Facts, answer: str) -> None:
    """Every topic is JSON with its day, the digest and the layers; reading and writing it again changes nothing."""
    said = facts("show", *ANSWERS[answer], *TODAY, "--format", "json")
    assert json.loads(json.dumps(said.content)) == said.content
    assert said.content["at"] == "2026-11-29"
    assert said.content["facts_digest"] == FACTS.digest
    assert (said.content["layers"], said.content["supposes"]) == ([], [])


@pytest.mark.parametrize("width", [80, 120])
def test_sentences_stand_under_their_row(facts: Facts, width: int) -> None:
    """Where they do not fit beside it, what a row says in sentences has the whole width, in reading order."""
    flags = facts("show", "red-flags", *TODAY, width=width).out.splitlines()
    first = next(number for number, line in enumerate(flags) if line.startswith("[ ]  guidance-2025-little-presence  "))
    assert flags[first + (width == 80) + 1].startswith("    what to look at: Little can be found about the customer")
    boxes = [line for line in flags if line.startswith("[")]
    assert len(boxes) == len(FACTS.red_flags.at(date(2026, 11, 29)))
    assert all(line.startswith("[ ]  ") for line in boxes)
    switches = facts("show", "switches", *TODAY, width=width).out.splitlines()
    assert "    sources: entity_list" in switches
    assert all(len(line) > width - 25 for line in switches if line.startswith("    note: By default"))


def test_accelerators_stand_on_one_line(facts: Facts) -> None:
    """In a terminal of 120 columns nearly every device has one line, and at 80 the table is still one."""
    lines = facts("show", "accelerators", *TODAY, width=120).out.splitlines()
    whole = [name for name in FACTS.accelerators.devices if any(line.startswith(f"{name}  ") for line in lines)]
    assert len(whole) >= 0.9 * len(FACTS.accelerators.devices)
    assert "device" in facts("show", "accelerators", *TODAY, width=80).out.splitlines()[2]


def test_a_box_stands_beside_its_flag_where_there_is_no_room(facts: Facts) -> None:
    """Also in the narrowest terminal a box is whole, and on the line of its flag."""
    lines = facts("show", "red-flags", *TODAY, width=40).out.splitlines()
    assert "[ ] guidance-2025-recent-start" in lines


def documented() -> dict[str, list[str]]:
    """The keys by answer, from the README's table."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    rows = readme.split("| answer | its own keys |\n|---|---|\n")[1].split("\n\n")[0].splitlines()
    named = {row.split("`")[1]: row.split(" | ")[1].partition(";")[0] for row in rows}
    return {answer: re.findall("`([a-z0-9_]+)`", keys) for answer, keys in named.items()}


@pytest.mark.parametrize("answer", documented())
def test_the_readme_has_the_keys_of_every_answer(facts: Facts, answer: str) -> None:
    """Programs find what the README says, in that order, and nothing else."""
    keys = list(facts(*answer.split(), "--format", "json").content)
    assert [key for key in keys if key not in {"facts_digest", "layers", "supposes", "topic", "at"}] == documented()[
        answer
    ]


def test_the_readme_has_every_topic() -> None:
    """No topic is without its row."""
    assert {answer.split()[1] for answer in documented() if answer.startswith("show ")} == {*TOPICS, LAYERS}


def test_every_topic_of_the_files_is_shown() -> None:
    """What an overlay may change can be looked at; what boards draw stands with the accelerators."""
    named = {
        "red_flags": "red-flags",
        "party_lists": "lists",
        "training_signals": "signals",
        "board_power": "accelerators",
    }
    assert {named.get(topic, topic) for topic in FILE_TOPICS} <= {*TOPICS}


def test_a_pipe_gets_whole_lines() -> None:
    """The real command, without a terminal and without a width that anybody gave."""
    text = flopwatch("facts", "show", "accelerators", *TODAY, COLUMNS="").stdout
    lines = text.splitlines()
    assert max(map(len, lines)) <= 140
    assert lines[0] == f"Accelerators on 2026-11-29: {len(FACTS.accelerators.devices)}"


# Topics


def test_jurisdictions(facts: Facts) -> None:
    """Who is in scope since when, who is not settled and why, who left by both lists, and the groups."""
    shown = facts.json("show", "jurisdictions", *TODAY)
    inside = {each["code"]: each for each in shown["in_scope"]}
    assert {"CN", "HK", "MO", "NI", "RU"} <= inside.keys()
    assert not {"KH", "ET", "CY"} & inside.keys()
    assert inside["RU"]["since"] == "2021-03-18"
    assert {each["code"] for each in shown["unknown"]} == {"CY", "ET"}
    (cambodia,) = (each for each in shown["left"] if each["country"] == "KH")
    assert (cambodia["state_to"], cambodia["ear_to"]) == ("2025-11-07", "2026-02-03")
    assert {each["id"]: each["members"] for each in shown["groups"]}["E:2"] == ["CU"]
    said = facts("show", "jurisdictions", *TODAY).flat
    assert "2025-11-07 (State 2025-11-07, EAR table 2026-02-03)" in said
    assert "HK (Hong Kong) is treated as CN in every group since 2020-12-23." in said


def test_jurisdictions_follow_the_day(facts: Facts) -> None:
    """Cambodia was a member once; before the records begin nobody is cleared."""
    before = facts.json("show", "jurisdictions", "--at", "2024-05-01")
    since = {each["code"]: each["since"] for each in before["in_scope"]}
    assert (since["KH"], since["CY"]) == ("2021-12-09", "before 2018-08-03")
    unknown = facts.json("show", "jurisdictions", "--at", "2010-01-01")
    assert unknown["in_scope"] == []
    assert "CN" in {each["code"] for each in unknown["unknown"]}
    assert "the records begin on 2018-08-03" in facts("show", "jurisdictions", "--at", "2010-01-01").flat


@pytest.mark.parametrize("what", ANSWERS.values(), ids=ANSWERS)
def test_a_day_that_is_not_known_is_no_day(facts: Facts, what: tuple[str, ...]) -> None:
    """Neither end of the calendar is shown for a day that no source names, such as that of Cyprus's joining."""
    for form in ("table", "json"):
        said = facts("show", *what, "--at", "2020-01-01", "--format", form).out
        assert not re.search("0001-01-01|9999-12-31", said)


def test_one_country(facts: Facts) -> None:
    """Any name will do, and the answer has the reason, the sources, each group, and what is said of a part of it."""
    hong_kong = facts.json("show", "jurisdictions", *TODAY, "--country", "Hong Kong SAR")
    assert (hong_kong["code"], hong_kong["in_scope"]) == ("HK", "yes")
    assert "treated as CN" in hong_kong["reason"]
    assert hong_kong["sources"]
    assert hong_kong["groups"]["D:1"]["member"] == "yes"
    assert facts.json("show", "jurisdictions", *TODAY, "--country", "CY")["in_scope"] == "unknown"
    assert "Part 746" in facts("show", "jurisdictions", *TODAY, "--country", "Crimea").flat


def test_accelerators(facts: Facts) -> None:
    """Every device is there; a letter names its addressee, and a figure close to a threshold is marked."""
    said = facts("show", "accelerators", *TODAY).out
    lines = {
        name: line for name in FACTS.accelerators.devices for line in said.splitlines() if line.startswith(f"{name}  ")
    }
    assert lines.keys() == FACTS.accelerators.devices.keys()
    shown = {each["device"]: each for each in facts.json("show", "accelerators", *TODAY)["accelerators"]}
    assert shown["NVIDIA L4"]["by_numbers"] == "3A090.a.2"
    assert (shown["NVIDIA H20"]["paragraph"], shown["NVIDIA H20"]["letter"]) == ("none", "yes")
    assert "  NVIDIA letter  " in lines["NVIDIA H20"]
    assert "  GP10 named  " in lines["Huawei Ascend 910C"]
    assert re.search(r"  none +3.20 density +-0.5 % \(!\)  -  ", lines["NVIDIA A10"])
    assert "  3A090.b.2 -> none  " in lines["NVIDIA GeForce RTX 3090"]
    assert "  3A090.a.1 [2]  " in lines["NVIDIA GeForce RTX 4090"]
    assert re.search(r"  \? +\? +undetermined +- +-  ", lines["AMD MI308X"])
    assert "(!)" not in lines["NVIDIA H100 SXM"]
    edge = FACTS.control.knife_edge.value
    for margin, near in [(each["margin"], each["near"]) for each in shown.values() if each["margin"]]:
        assert near == (margin["decides"] and abs(margin["ratio"]) <= edge)
    assert shown["NVIDIA B200"]["review"] == {"CN, MO": "presumption of denial"}
    assert shown["NVIDIA H100 SXM"]["review"] == {"CN, MO": "case by case"}
    assert shown["NVIDIA H20"]["review"] == {}
    flat = " ".join(said.split())
    for policy in ("case by case", "presumption of denial", "undetermined"):
        of_policy = [name for name, each in shown.items() if policy in each["review"].values()]
        assert f"CN, MO {policy} {len(of_policy)} {'; '.join(of_policy)}" in flat
    assert "It is no official classification" in flat
    assert "addressed to NVIDIA from 2025-04-09 on, for China" in flat
    assert "; ask counsel whether it reaches you" in flat
    assert "Presumed, by BIS's guidance of 13 May 2025" in flat


def test_accelerators_follow_the_day(facts: Facts) -> None:
    """Before the entry there was no paragraph, no letter, no presumption and no review."""
    shown = facts.json("show", "accelerators", "--at", "2022-10-06")
    assert {each["paragraph"] for each in shown["accelerators"]} <= {"none"}
    assert {each["presumed"] for each in shown["accelerators"]} == {"no"}
    assert (shown["letters"], shown["presumptions"], shown["review_policies"]) == ([], [], [])


def test_one_accelerator(facts: Facts) -> None:
    """A part of a device is answered as its device, with what contains it, and how much of the device it has."""
    shown = facts.json("show", "accelerators", *TODAY, "--name", "NVIDIA H100 80GB HBM3 MIG 3g.40gb")
    assert (shown["device"], shown["part"]) == ("NVIDIA H100 SXM", "MIG 3g.40gb")
    assert "4A090.a" in shown["related"]
    said = facts("show", "accelerators", *TODAY, "--name", "NVIDIA H100 80GB HBM3 MIG 3g.40gb").flat
    assert "0.455 to 0.455, likely 0.455, of 9.9e+14 FLOP/s" in said
    assert "MIG 3g.40gb of one NVIDIA H100 SXM" in said
    assert "density not known dense rates" in facts("show", "accelerators", *TODAY, "--name", "AMD MI355X").flat
    letter = facts("show", "accelerators", *TODAY, "--name", "NVIDIA-H20").flat
    assert "addressed to NVIDIA" in letter
    assert "on its other side: 3A090.b.1" in letter


@pytest.mark.parametrize(("name", "presumed"), [("Abacus 9", "unknown"), ("Ascend 960", "classify")])
def test_an_unknown_accelerator_is_unclassified(facts: Facts, name: str, presumed: str) -> None:
    """It is never uncontrolled: no paragraph is told, the letter is unknown, and similar names are suggested."""
    shown = facts.json("show", "accelerators", *TODAY, "--name", name)
    assert (shown["paragraph"], shown["by_numbers"]) == ("unclassified", "unclassified")
    assert (shown["letter"], shown["presumed"]) == ("unknown", presumed)
    assert "that is not uncontrolled" in facts("show", "accelerators", *TODAY, "--name", name).flat


def test_suggestions(facts: Facts) -> None:
    """A name that is nearly one of the catalogue's is answered with that one."""
    shown = facts.json("show", "accelerators", *TODAY, "--name", "NVIDIA H100 80GB HBN3")
    assert "NVIDIA H100 80GB HBM3" in shown["suggestions"]


def test_thresholds_begin_with_the_statement_that_has_no_amount(facts: Facts) -> None:
    """The first line is about the policy statement; every law has its state on that day."""
    said = facts("show", "thresholds", *TODAY)
    assert said.flat.startswith("BIS policy statement of 2025-05-13 names no amount of compute")
    states = {
        each["id"]: (each["on_that_day"] or {}).get("state")
        for each in facts.json("show", "thresholds", *TODAY)["thresholds"]
    }
    assert states.keys() == FACTS.tiers.legal.keys()
    assert (states["ear_4E091"], states["ny_raise_frontier"]) == ("printed_not_enforced", "enacted")
    early = facts("show", "thresholds", "--at", "2023-01-01").flat
    assert "not there yet on 2023-01-01" in early


def test_tiers_have_the_provider_s_own(facts: Facts) -> None:
    """A tier set by flag is shown as the provider's, and the digest is the one that findings would cite."""
    shown = facts.json("show", "tiers", "--tier", "review=1e22")
    review = next(each for each in shown["tiers"] if each["name"] == "review")
    assert (review["flop"], review["set_by_provider"]) == (1e22, True)
    assert shown["facts_digest"] != FACTS.digest
    assert "the provider's" in facts("show", "tiers", "--tier", "review=1e22").flat


def test_switches(facts: Facts) -> None:
    """Each has its state on that day, and one that rests on memory says so."""
    rows = {each["id"]: each for each in facts.json("show", "switches", *TODAY)["switches"]}
    assert rows.keys() == FACTS.switches.by_id.keys()
    assert rows["affiliates_rule"]["on_that_day"]["source"]["evidence"] == "unverified"
    stayed = facts.json("show", "switches", "--at", "2026-01-01")["switches"]
    assert next(each for each in stayed if each["id"] == "affiliates_rule")["on_that_day"]["state"] == "stayed"
    assert "not known" in facts("show", "switches", "--at", "2010-01-01").flat


def test_lists(facts: Facts) -> None:
    """Each list says whether its owners count and whether it blocks, and the switch how it stood on that day."""
    said = facts("show", "lists", *TODAY).flat
    assert (
        "Lists of parties, the most restrictive first code list owners count blocks note evidence sources SDN" in said
    )
    assert f" {FACTS.party_lists.by_code['SDN'].title} always, with others yes " in said
    assert f" {FACTS.party_lists.by_code['EL'].title} affiliates rule, with others no " in said
    assert "Not in the Consolidated Screening List." in said
    assert "The switch affiliates_rule on 2026-11-29: on." in said
    assert "The switch affiliates_rule on 2010-01-01: not known." in facts("show", "lists", "--at", "2010-01-01").flat


def test_red_flags(facts: Facts) -> None:
    """The flags are a list to tick off, each with what to look at, where it is seen from, and no verdict."""
    flags = FACTS.red_flags.at(date(2026, 11, 29))
    said = facts("show", "red-flags", *TODAY).flat
    assert f"Red flags on 2026-11-29: {len(flags)}; each a reason to ask, none a verdict" in said
    assert all(f"[ ] {each.id} {each.list.replace('_', ' ')}" in said for each in flags)
    assert "[ ] guidance-2025-headquarters-elsewhere guidance 2025 The customer sits outside" in said
    assert " kyc and telemetry " in said
    assert " neither " in said
    assert "Limits by which flags are told from the know-your-customer file" in said
    early = facts("show", "red-flags", "--at", "2010-01-01").flat
    assert "no flag stood on that day, as far as these facts go" in early


def test_sources_tell_which_are_past_their_day(facts: Facts) -> None:
    """Every document is there, and those past their day say why."""
    rows = {each["id"]: each for each in facts.json("show", "sources", *TODAY)["sources"]}
    assert rows.keys() == FACTS.documents.keys()
    assert rows["state_cyprus_2025"]["stale"] is True
    assert "its own term ended on 2026-09-30" in facts("show", "sources", *TODAY).flat


# Overlays


def test_an_override_shows_wherever_it_decides(facts: Facts, tmp_path: Path) -> None:
    """The layer, its reason, the rows that it brings, the switch that it sets, and the head of every answer."""
    an_overlay(tmp_path, STAY_EXTENDED + NEW_PART, reason="the stay was extended, counsel says")
    shown = facts.json("show", "layers", "--facts", tmp_path)
    (layer,) = shown["laid_over"]
    assert (layer["name"], layer["kind"], layer["decided_on"]) == ("ours", "override", "2026-11-01")
    assert layer["brings"] == [
        "accelerators [accelerator] NVIDIA X1",
        "switches [switch.state] affiliates_rule the first",
    ]
    assert layer["in_place_of"] == ["switches.switch affiliates_rule"]
    said = facts("show", "switches", *TODAY, "--facts", tmp_path)
    assert said.out.startswith("Overridden by ours: the stay was extended, counsel says.\n")
    assert "stayed (set by override ours)" in said.flat
    assert "NVIDIA X1" in facts("show", "accelerators", "--facts", tmp_path).out


@pytest.mark.parametrize("topic", TOPICS)
def test_the_rows_of_a_topic_can_be_laid_over_as_they_are_printed(facts: Facts, tmp_path: Path, topic: str) -> None:
    """Every row stands there as an overlay writes it, under the comments of its file, so that it can be copied."""
    said = facts("show", topic, "--rows")
    assert said.out.startswith("# As it ships.")
    path = an_overlay(tmp_path, said.out)
    content = read_overrides(tmp_path)[0].content
    load_facts(read_overrides(tmp_path))
    assert path.exists()
    written = {"sources": FACTS.texts["sources.toml"]} if topic == "sources" else {}
    written |= {each: FACTS.texts[FILE_TOPICS[each].FILE] for each in content if each != "sources"}
    assert content == {each: tomllib.loads(text) for each, text in written.items()}


def test_rows_say_how_they_are_told_apart_and_go_with_a_topic(facts: Facts) -> None:
    """The keys that ``[[remove]]`` asks for stand above; what rows cannot be asked for is refused."""
    said = facts("show", "jurisdictions", "--rows").out
    assert (
        "# [[jurisdictions.watch]] rows are told apart, and taken away by [[remove]], by country, valid_from." in said
    )
    assert "[[accelerators.accelerator]]" in (said := facts("show", "accelerators", "--rows").out)
    assert "[[board_power.board_power]]" in said
    assert "TPP is computed and is no key" in said
    for flags in (["layers"], ["switches", *TODAY], ["switches", "--format", "json"]):
        assert (facts("show", *flags, "--rows").code, "--rows" in facts("show", *flags, "--rows").err) == (2, True)


def test_a_scenario_is_supposed_and_said_so(facts: Facts, tmp_path: Path) -> None:
    """It decides the answer, takes rows away, and stands above and within it."""
    path = a_scenario(tmp_path, ETHIOPIA)
    shown = facts.json("show", "jurisdictions", *TODAY, "--scenario", path, "--country", "ET")
    assert shown["in_scope"] == "yes"
    assert shown["supposes"] == ["supposes what-if: somebody proposed it; not in force"]
    said = facts("show", "layers", "--scenario", path).flat
    assert said.startswith("Supposes what-if: somebody proposed it; not in force.")
    assert "jurisdictions.watch ET 2021-11-01: supposed to be settled" in said


def test_what_a_terminal_would_obey_is_refused(facts: Facts, tmp_path: Path) -> None:
    """An overlay whose words hold a line end or an escape is refused on one line without either; brackets are plain."""
    an_overlay(tmp_path, NEW_PART, reason="first\\nsecond\\u001b[31m")
    said = facts("check", "--facts", tmp_path)
    assert said.code == 1
    assert "[overlay], reason: 'first\\nsecond\\x1b[31m' will not do" in said.err
    an_overlay(tmp_path, NEW_PART, reason="counsel [/red] says")
    assert "Overridden by ours: counsel [/red] says." in facts("show", "switches", "--facts", tmp_path).out


def test_the_environment_names_the_folder_too(tmp_path: Path) -> None:
    """``FLOPWATCH_FACTS`` is the same as the flag, in the real command."""
    an_overlay(tmp_path, NEW_PART)
    said = flopwatch("facts", "show", "layers", FLOPWATCH_FACTS=str(tmp_path)).stdout
    assert said.startswith("Overridden by ours: counsel.")


# Check


def test_check_tells_what_is_past_its_day(facts: Facts) -> None:
    """3 while a term has ended that nobody has followed up, with the document, its term and the rows that cite it."""
    said = facts("check", *TODAY, "--format", "json")
    assert said.code == 3
    stale = {each["document"]: each for each in said.content["stale"]}
    assert stale["state_cyprus_2025"]["why"] == "term_ended"
    assert {"topic": "jurisdictions", "row": "[watch] CY", "in_force": True} in stale["state_cyprus_2025"]["cited_by"]
    assert {each["topic"] for each in said.content["unverified"]} >= {"accelerators", "switches", "training_signals"}
    assert {each["topic"]: each["basis"] for each in said.content["unverified"]}["stitching"] == "a guess"
    table = facts("check", *TODAY)
    assert (table.code, "Facts on 2026-11-29: stale." in table.flat) == (3, True)
    assert "Somebody has to read each again" in table.flat
    unread, chosen = table.flat.split(" Unverified in force, ")[1:]
    assert unread.startswith("from memory or from a text that was not at hand")
    assert " switches switch.state 1 affiliates_rule 2026-11-10 " in unread
    assert " parts instance 5 NVIDIA H100 SXM, NVIDIA H200 SXM" in unread
    assert chosen.startswith("numbers of our own choice")
    assert " tiers tier 4 review; large; systemic; frontier " in chosen


def test_a_switch_by_another_name_is_said_to_be_read_by_nothing(facts: Facts, tmp_path: Path) -> None:
    """Whoever writes ``affiliate_rule`` has set nothing, and sees it above every answer, with the names that count."""
    an_overlay(tmp_path, STAY_EXTENDED.replace("affiliates_rule", "affiliate_rule"))
    said = "Ours changes only the switch affiliate_rule, which no rule reads; affiliates_rule, gp10_guidance_"
    for part in (("check",), ("show", "switches"), ("diff", "2026-11-29")):
        assert said in facts(*part, "--facts", tmp_path).flat
    removal = "[[remove]]\ntable='jurisdictions.watch'\nkey=['CY', '2026-10-01']\nreason='x'\n"
    for rows in (STAY_EXTENDED, NEW_PART, removal):
        an_overlay(tmp_path, rows)
        assert "which no rule reads" not in facts("check", "--facts", tmp_path).flat


def test_a_folder_without_overlays_is_said_to_be_one(facts: Facts, tmp_path: Path) -> None:
    """A file that an editor called ``counsel.toml.txt`` lies over nothing, and the check of the facts says so."""
    an_overlay(tmp_path, NEW_PART).rename(tmp_path / "counsel.toml.txt")
    said = facts("check", "--facts", tmp_path)
    assert said.err == (
        f"flopwatch: --facts {tmp_path}: no file in it ends with .toml, so nothing lies over the facts that ship\n"
    )


def test_check_is_0_once_nothing_rests_on_what_is_past_its_day(facts: Facts, tmp_path: Path) -> None:
    """With Cyprus settled by counsel its old document is listed, and no longer asked about; with a rule's it is."""
    october = ("--at", "2026-10-15")
    assert facts("check", *october).code == 3
    an_overlay(tmp_path, "[[remove]]\ntable='jurisdictions.watch'\nkey=['CY', '2026-10-01']\nreason='renewed'\n")
    said = facts("check", *october, "--facts", tmp_path)
    assert (said.code, "Facts on 2026-10-15: fresh. 1 of 136" in said.flat) == (0, True)
    assert "no row cites it" in said.flat
    assert "Somebody has to read" not in said.flat
    stay = {each["document"]: each for each in facts("check", *TODAY, "--format", "json").content["stale"]}[
        "fr_90_50857"
    ]
    assert "listed-owner-half" in stay["cited_by_rules"]


@pytest.mark.parametrize("part", [("show", "accelerators"), ("check",)], ids=" ".join)
def test_the_readme_shows_what_the_command_says(facts: Facts, part: tuple[str, ...]) -> None:
    """Every line of its examples is one of the command's, at the width that the README names."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    shown = readme.split(f"`facts {' '.join(part)} --at 2026-11-29`")[1].split("\n\n")[1].splitlines()
    said = facts(*part, *TODAY, width=116).out.splitlines()
    assert len(shown) > 5
    assert [line for line in shown if line.removeprefix("    ").rstrip() not in map(str.rstrip, said)] == []


def test_check_is_0_while_every_document_is_good(facts: Facts) -> None:
    """Unverified rows are listed and do not change the exit code."""
    first = min(document.good_through for document in FACTS.documents.values())
    said = facts("check", "--at", first.isoformat(), "--format", "json")
    assert (said.code, said.content["state"], said.content["stale"]) == (0, "fresh", [])
    assert said.content["unverified"]
    assert "Somebody has to read" not in facts("check", "--at", first.isoformat()).flat


BROKEN = {
    "no topic": ("[[laws.membership]]\ncountry = 'ET'\n", "[laws], name: no such topic"),
    "no header": (None, "[overlay], kind: missing"),
    "an unknown group": ("[[jurisdictions.membership]]\ngroup = 'Z:9'\ncountry = 'ET'\nsources = ['fr_86_60165']\n",
                         "[membership] Z:9 ET, group: there is no group 'Z:9'"),
    "an unknown document": ("[[jurisdictions.named_beside]]\ncountry = 'ET'\nsources = ['nobody']\n",
                            "[named_beside] ET, sources: there is no document 'nobody'"),
    "no TOML": ("[[[", "whole file, syntax: "),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("form", ["table", "json"])
def test_check_is_1_for_a_file_that_says_what_it_must_not(facts: Facts, tmp_path: Path, name: str, form: str) -> None:
    """One line with the file, the table and the field; to a program the same in parts."""
    body, words = BROKEN[name]
    path = an_overlay(tmp_path, body or "")
    if body is None:
        path.write_text("")
    said = facts("check", "--facts", tmp_path, "--format", form)
    (line,) = said.err.splitlines()
    assert (said.code, words in line) == (1, True), line
    assert line.startswith(f"flopwatch: {path}, ")
    if form == "json":
        assert (said.content["state"], said.content["file"]) == ("invalid", str(path))
    else:
        assert said.out == ""


def test_check_holds_the_ledger_against_the_catalogue(facts: Facts, tmp_path: Path) -> None:
    """Each accelerator that the fleet has and that is not settled is named; a settled one is not."""
    ledger, at = Ledger.open(tmp_path / "ledger", Provenance.MEASURED), a_moment(0)
    names = ("NVIDIA H100 80GB HBM3", "Abacus 9", "NVIDIA A10")
    rows = [("n", "measured", name, at, at, "physical", "", 1.0) for name in names]
    ledger.write("balance", at, pl.DataFrame(rows, schema=BALANCE, orient="row"))
    ledger.write_counters(at, empty(COUNTERS))
    said = facts("check", *TODAY, "--ledger", tmp_path / "ledger", "--format", "json")
    assert {each["name"]: each["doubts"] for each in said.content["accelerators"]} == {
        "Abacus 9": ["unclassified", "without_peak"],
        "NVIDIA A10": ["unverified"],
    }
    assert "Abacus 9" in facts("check", *TODAY, "--ledger", tmp_path / "ledger").out
    assert facts("check", *TODAY, "--format", "json").content["accelerators"] is None


# Diff


def test_diff(facts: Facts) -> None:
    """What changed between two days has its sources; equal days differ in nothing."""
    shown = facts.json("diff", "2025-11-06", "2025-11-07")
    first = shown["differences"][0]
    assert (first["asked"], first["before"], first["after"]) == ("in scope", "yes", "no")
    assert all(each["sources"] for each in shown["differences"])
    said = facts("diff", "2025-11-01", "2026-03-01").flat
    assert "on -> stayed" in said
    assert "not there -> case by case NVIDIA A100 SXM 40GB; NVIDIA A100 SXM 80GB" in said
    assert "changed back is not told. Answers began on 2025-11-07, 2025-11-10, 2025-12-19, 2026-01-01, " in said
    assert facts("diff", "2026-01-01", "2026-01-01").out == "From 2026-01-01 to 2026-01-01: nothing differs.\n"


def test_diff_of_overrides(facts: Facts, tmp_path: Path) -> None:
    """One day by the facts that ship and with the overrides; a tier of the provider's is on both sides."""
    an_overlay(tmp_path, STAY_EXTENDED)
    said = facts("diff", "2026-11-29", "--facts", tmp_path, "--tier", "review=1e22")
    assert said.code == 0
    assert said.out.startswith("Overridden by ours: counsel.\n")
    assert "On 2026-11-29, from the facts that ship to those with the overrides: one answer differs." in said.flat
    assert "on -> stayed" in said.flat
    with_both = facts(
        "diff", "2026-11-29", "--facts", tmp_path, "--scenario", a_scenario(tmp_path / "s", ETHIOPIA)
    ).flat
    assert "by what is supposed" in with_both
    assert "stayed" not in with_both


def test_diff_of_a_scenario(facts: Facts, tmp_path: Path) -> None:
    """One day with it and without it, under the line that it is not in force."""
    said = facts("diff", "2026-11-29", "--scenario", a_scenario(tmp_path, ETHIOPIA))
    assert said.out.startswith("Supposes what-if: somebody proposed it; not in force.\n")
    assert "unknown -> yes" in said.flat


# What cannot be used


REFUSED = {
    "a topic nobody knows": (("show", "law"), "invalid choice: 'law'"),
    "a day that is none": (("show", "tiers", "--at", "soon"), "'soon' is not a date"),
    "a country that could be two": (("show", "jurisdictions", "--country", "Korea"), "did you mean"),
    "a country nobody knows": (("show", "jurisdictions", "--country", "Atlantis"), "--country: 'Atlantis' is no"),
    "a stray country": (("show", "tiers", "--country", "CN"), "--country goes with 'facts show jurisdictions'"),
    "a stray name": (("show", "tiers", "--name", "H20"), "--name goes with 'facts show accelerators'"),
    "a folder that is none": (("show", "tiers", "--facts", "none"), "--facts none: cannot be read (No such file"),
    "an accelerator without a name": (("show", "accelerators", "--name", " "), "--name: give the name"),
    "a scenario that is none": (("show", "tiers", "--scenario", "none"), "none, whole file, name: there is no such"),
    "a scenario in force": (("show", "tiers", "--facts", "{scenarios}"), "a scenario is never in force"),
    "an override supposed": (("show", "tiers", "--scenario", "{override}"), "is no scenario"),
    "one day alone": (("diff", "2026-01-01"), "give DATE2, or --facts, a --scenario or a --digest"),
    "no ledger": (("check", "--ledger", "none"), "none: no ledger here"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Exit code 2 and one line that says what and where; nothing on standard output."""
    arguments, words = REFUSED[name]
    monkeypatch.chdir(tmp_path)
    a_scenario(tmp_path / "scenarios", ETHIOPIA)
    places = {"scenarios": "scenarios", "override": an_overlay(tmp_path / "overrides", NEW_PART)}
    try:
        code = command.main(["facts", *(each.format(**places) for each in arguments)])
    except SystemExit as ended:
        code = int(ended.code or 0)
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert (code, said.out, words in line) == (2, "", True), line
