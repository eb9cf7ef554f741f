import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.facts import TEXTS, an_overlay, assert_clear, refusal_of

from policy.facts.evidence import Answer, Evidence, LayerKind
from policy.facts.overlays import read_overlay, read_overrides, read_scenario, shipped_scenarios
from policy.facts.reading import KEYS, load_facts, read_facts
from policy.facts.switches import State
from policy.facts.tables import FactsError

FACTS = load_facts()
NOW = date(2026, 11, 29)
MEMO = """
[sources.counsel_memo]
citation = "Memorandum of counsel of 2026-11-20"
evidence = "secondary"
read_on = 2026-11-20
review_by = 2027-01-20
"""
STAYED = """
[[switches.switch]]
id = "affiliates_rule"
title = "Affiliates Rule (50 % ownership)"
governs = "owners on BIS lists"
[[switches.switch.state]]
valid_from = 2020-01-01
state = "stayed"
note = "Counsel says so."
sources = ["counsel_memo"]
"""
CYPRUS = """
[[remove]]
table = "jurisdictions.watch"
key = ["CY", "2026-10-01"]
reason = "the renewal was read"
"""


def test_a_switch_set_otherwise() -> None:
    """A provider sets a switch otherwise with its reason; whoever cites it says so, and the digest is another."""
    facts = load_facts([an_overlay(MEMO + STAYED)])
    state = facts.switches.by_id["affiliates_rule"].at(NOW)
    assert state is not None
    assert state.state is State.STAYED
    assert state.source.line.endswith("(secondary; read 2026-11-20; override counsel: counsel has read it)")
    assert facts.digest != FACTS.digest
    assert [layer.kind for layer in facts.layers] == [LayerKind.OVERRIDE]
    assert {switch.id for switch in facts.switches.switch} == {switch.id for switch in FACTS.switches.switch}


def test_the_shipped_rows_keep_their_own_layer() -> None:
    """Only what the overlay wrote is marked as the overlay's."""
    facts = load_facts([an_overlay(MEMO + STAYED)])
    marked = {source.line for source in facts.sources if source.layer.kind is not LayerKind.SHIPPED}
    assert len(marked) == 1
    assert {source.line for source in facts.sources} - marked < {source.line for source in FACTS.sources}


def test_the_reason_is_part_of_the_digest() -> None:
    """The same override for another reason is another set of facts."""
    rows = MEMO + STAYED
    one = load_facts([an_overlay(rows)])
    head = '[overlay]\nkind = "override"\nname = "counsel"\nreason = "another"\ndecided_on = 2026-11-20\n'
    assert load_facts([read_overlay(head + rows, "counsel.toml")]).digest != one.digest
    assert load_facts([an_overlay(rows, file="elsewhere/counsel.toml")]).digest == one.digest


def test_a_row_taken_away() -> None:
    """A watched country is settled by taking its row away, with a reason."""
    facts = load_facts([an_overlay(CYPRUS)])
    assert FACTS.jurisdictions.in_scope("CY", NOW).answer is Answer.UNKNOWN
    answer = facts.jurisdictions.in_scope("CY", NOW)
    assert answer.answer is Answer.NO
    assert "override counsel took away jurisdictions.watch CY 2026-10-01: the renewal was read" in answer.reason
    assert "took" not in facts.jurisdictions.in_scope("DE", NOW).reason
    assert facts.digest != FACTS.digest


def test_a_row_added() -> None:
    """A provider adds an accelerator of its own, and its names are known."""
    row = """
    [[accelerators.accelerator]]
    device = "NVIDIA H300"
    vendor = "NVIDIA"
    designed_for_data_centres = "yes"
    names = ["NVIDIA H300 PCIe"]
    dense_tflop_per_second = { fp16_bf16 = 1000 }
    sources = ["counsel_memo"]
    """
    facts = load_facts([an_overlay(MEMO + row)])
    assert facts.classifier.classify("NVIDIA H300 PCIe", NOW).paragraph == "3A090.a.1"
    assert FACTS.classifier.classify("NVIDIA H300 PCIe", NOW).paragraph == "unclassified"


def test_a_row_with_the_same_day_twice() -> None:
    """A row's key may hold one value twice: State and BIS may have moved on one day, or on none that is known."""
    rows = "[[remove]]\ntable = 'jurisdictions.membership'\nkey = ['D:5', 'NI', DAYS]\nreason = 'x'\n"
    both = "'2024-03-15', '2024-03-15'"
    assert load_facts([an_overlay(rows.replace("DAYS", both))]).jurisdictions.in_scope("NI", NOW).answer is Answer.NO
    with pytest.raises(FactsError, match=rf"has no row .*; the nearest: \['D:5', 'NI', {both}\]"):
        load_facts([an_overlay(rows.replace("DAYS", "'2024-03-15', '2024-03-16'"))])


def test_a_table_replaced() -> None:
    """A table that is no row, such as a constant, is replaced whole."""
    constant = """
    [estimation.utilisation_likely]
    value = 0.5
    unit = "ratio"
    why = "measured here"
    basis = "measured"
    sources = ["counsel_memo"]
    """
    assert load_facts([an_overlay(MEMO + constant)]).estimation.utilisation_likely.value == 0.5


def test_later_files_lie_over_earlier_ones(tmp_path: Path) -> None:
    """The overlays of a folder lie over each other in the order of their names; other files are left alone."""
    head = '[overlay]\nkind = "override"\nname = "{}"\nreason = "because"\ndecided_on = 2026-11-20\n'
    (tmp_path / "20-later.toml").write_text(head.format("later") + MEMO + STAYED)
    (tmp_path / "10-first.toml").write_text(head.format("first") + MEMO + STAYED.replace('"stayed"', '"off"'))
    (tmp_path / "README.md").write_text("not an overlay")
    overlays = read_overrides(tmp_path)
    assert [overlay.layer.name for overlay in overlays] == ["first", "later"]
    state = load_facts(overlays).switches.by_id["affiliates_rule"].at(NOW)
    assert state is not None
    assert (state.state, state.source.layer.name) == (State.STAYED, "later")


def test_no_folder(tmp_path: Path) -> None:
    """A folder that is not there is an error, and an empty one holds no overlay."""
    assert read_overrides(tmp_path) == ()
    with pytest.raises(FileNotFoundError):
        read_overrides(tmp_path / "nowhere")


def a_folder(path: Path) -> None:
    """A folder of that name."""
    path.mkdir()


def a_pipe(path: Path) -> None:
    """A named pipe into which nobody writes."""
    os.mkfifo(path)


def a_device(path: Path) -> None:
    """A link to what never ends."""
    path.symlink_to("/dev/zero")


def a_ring(path: Path) -> None:
    """A link to itself."""
    path.symlink_to(path)


def a_dead_link(path: Path) -> None:
    """A link to what is not there."""
    path.symlink_to(path.with_name("nowhere"))


def foreign_text(path: Path) -> None:
    """A text in UTF-16, as an editor on Windows may save it."""
    path.write_text(HEADER, encoding="utf-16")


def with_a_null(path: Path) -> None:
    """A text with a null in it."""
    path.write_text(HEADER + "\0")


HEADER = '[overlay]\nkind = "KIND"\nname = "x"\nreason = "y"\ndecided_on = 2026-11-20\n'


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (a_folder, "whole file, name: is no file; "),
        (a_pipe, "whole file, name: is no file; "),
        (a_device, "whole file, name: is no file; "),
        (a_ring, "whole file, name: there is no such file; "),
        (a_dead_link, "whole file, name: there is no such file; "),
        (foreign_text, "whole file, encoding: is not UTF-8; save it as UTF-8"),
        (with_a_null, "whole file, syntax: "),
    ],
)
def test_what_is_no_overlay_s_file(make: Callable[[Path], None], words: str, tmp_path: Path) -> None:
    """Whatever lies there under an overlay's name is one clear error with that name, at once."""
    path = tmp_path / "x.toml"
    make(path)
    for read in (lambda: read_overrides(tmp_path), lambda: read_scenario(str(path))):
        error = refusal_of(read)
        assert error is not None
        assert str(error).startswith(f"{path}, {words}")
        assert_clear(error)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An overlay that the process may not read is no overlay that is not there."""

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "x.toml").touch()
    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(FactsError, match=r"x\.toml, whole file, name: cannot be read: Permission denied; let this"):
        read_overrides(tmp_path)


def test_a_mark_before_the_text(tmp_path: Path) -> None:
    """A byte order mark and line ends of another system change nothing."""
    text = HEADER.replace("KIND", "override") + MEMO + STAYED
    (tmp_path / "x.toml").write_bytes(text.encode())
    plain = load_facts(read_overrides(tmp_path)).digest
    (tmp_path / "x.toml").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert load_facts(read_overrides(tmp_path)).digest == plain


def test_a_scenario_is_never_in_force(tmp_path: Path) -> None:
    """A scenario is refused among a provider's overrides, and an override where a scenario is asked for."""
    (tmp_path / "bill.toml").write_text(shipped_scenarios()["ethiopia-in-d5"])
    with pytest.raises(FactsError, match="a scenario is never in force"):
        read_overrides(tmp_path)
    head = '[overlay]\nkind = "override"\nname = "x"\nreason = "y"\ndecided_on = 2026-11-20\n'
    (tmp_path / "own.toml").write_text(head)
    with pytest.raises(FactsError, match="an override of the provider's is no scenario"):
        read_scenario(str(tmp_path / "own.toml"))
    with pytest.raises(FactsError, match=r"there is no such file; give a scenario's file, or .*ethiopia-in-d5"):
        read_scenario("nothing-of-the-kind")


@pytest.mark.parametrize("name", shipped_scenarios())
def test_shipped_scenarios(name: str) -> None:
    """Every scenario that ships can be laid over the facts, is called like its file, and marks the facts."""
    overlay = read_scenario(name)
    facts = load_facts([overlay])
    assert overlay.layer.name == name
    assert [layer.name for layer in facts.scenarios] == [name]
    assert facts.digest != FACTS.digest
    assert not FACTS.scenarios


def test_what_the_scenarios_suppose() -> None:
    """Each says what it changes: Ethiopia's membership, Cyprus's either way, the stay, and the parameters of a bill."""
    ethiopia = load_facts([read_scenario("ethiopia-in-d5")]).jurisdictions.in_scope("ET", NOW)
    assert ethiopia.answer is Answer.YES
    assert "scenario ethiopia-in-d5" in ethiopia.sources[0].line
    for name, first in (("cyprus-in-d5", Answer.YES), ("cyprus-suspension-renewed", Answer.NO)):
        cyprus = load_facts([read_scenario(name)]).jurisdictions
        answers = [cyprus.in_scope("CY", day).answer for day in (date(2024, 5, 29), date(2026, 9, 30), NOW)]
        assert answers == [Answer.YES, Answer.NO, first]
    stay = load_facts([read_scenario("affiliates-rule-stay-extended")]).switches.by_id["affiliates_rule"].at(NOW)
    assert stay is not None
    assert stay.state is State.STAYED
    bill = load_facts([read_scenario("gain-bill")]).classifier
    assert bill.classify("NVIDIA H20", date(2026, 12, 1)).paragraph.startswith("GAIN bill")
    assert "H.R. 6875" in bill.control.parameters_of(NOW).source.line
    assert bill.classify("NVIDIA H300", date(2026, 12, 1)).paragraph == "unclassified"


def test_a_review_day_is_not_moved_without_reading() -> None:
    """A document's day may be moved by a newer reading, and by nothing else."""
    stay = FACTS.documents["fr_90_50857"]
    row = f"""
    [sources.fr_90_50857]
    citation = "{stay.citation}"
    evidence = "{stay.evidence}"
    read_on = READ
    review_by = 2027-06-01
    """
    with pytest.raises(FactsError) as caught:
        load_facts([an_overlay(row.replace("READ", stay.read_on.isoformat()))])
    assert (caught.value.file, caught.value.field) == ("counsel.toml", "review_by")
    assert "without a newer reading" in caught.value.problem
    later = load_facts([an_overlay(row.replace("READ", "2026-11-30"))])
    assert later.documents["fr_90_50857"].good_through == date(2027, 6, 1)


def test_a_reading_is_not_dated_back_for_another_to_be_newer() -> None:
    """Two overlays together move no review day either: one that calls a reading older is refused."""
    document = FACTS.documents["state_cyprus_2025"]
    row = f"""
    [sources.{document.id}]
    citation = "{document.citation}"
    evidence = "{document.evidence}"
    read_on = READ
    review_by = REVIEW
    """
    back = row.replace("READ", "2020-01-01").replace("REVIEW", "2020-06-01")
    forth = row.replace("READ", "2026-11-01").replace("REVIEW", "2027-11-01")
    overlays = [an_overlay(back), an_overlay(forth, name="second", file="second.toml")]
    with pytest.raises(FactsError, match=r"counsel\.toml, \[state_cyprus_2025\], read_on: 2020-01-01 is before 2026-"):
        load_facts(overlays)
    with pytest.raises(
        FactsError, match=r"second\.toml, \[state_cyprus_2025\], read_on: 2026-11-01 is before 2026-11-29"
    ):
        load_facts(overlays[1:])


def test_evidence_comes_along() -> None:
    """A row may cite shipped documents and the overlay's own together, and is as good as the weaker."""
    row = """
    [[tiers.tier]]
    name = "notice"
    flop = 1e22
    basis = "the board's decision"
    note = "To be looked at weekly."
    sources = ["counsel_memo", "ear_country_groups"]
    """
    tier = load_facts([an_overlay(MEMO + row)]).tiers.by_name["notice"]
    assert getattr(tier.source, "evidence", None) is Evidence.SECONDARY


HEAD = {"kind": '"override"', "name": '"counsel"', "reason": '"because"', "decided_on": "2026-11-20"}


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("kind", '"shipped"', "'shipped' will not do"),
        ("kind", '"law"', "'law' will not do"),
        ("name", '"Counsel One"', "'Counsel One' will not do"),
        ("reason", '""', "'' will not do"),
        ("decided_on", '"yesterday"', "'yesterday' will not do"),
        ("decided_on", None, "missing"),
        ("reason", None, "missing"),
    ],
)
def test_bad_heads(key: str, value: str | None, problem: str) -> None:
    """An overlay says what it is, why and since when, or is refused."""
    head = {**HEAD, key: value}
    text = "[overlay]\n" + "".join(f"{name} = {said}\n" for name, said in head.items() if said is not None)
    with pytest.raises(FactsError) as caught:
        read_overlay(text, "counsel.toml")
    assert (caught.value.file, caught.value.table, caught.value.field) == ("counsel.toml", "[overlay]", key)
    assert problem in caught.value.problem
    assert "shipped" not in caught.value.remedy, "no word that is refused in turn"


def test_a_letter_taken_away() -> None:
    """A device that a removed letter named is no longer controlled by letter, and every answer says who removed it."""
    rows = "[[remove]]\ntable = 'control.letter'\nkey = ['h20_2025']\nreason = 'withdrawn'\n"
    found = load_facts([an_overlay(rows)]).classifier.classify("NVIDIA H20", NOW)
    assert found.letter is Answer.NO
    assert "override counsel took away control.letter h20_2025: withdrawn" in found.reason
    assert "took" not in load_facts([an_overlay(rows)]).classifier.classify("NVIDIA H100 SXM", NOW).reason


def test_two_rows_of_one_key() -> None:
    """An overlay that says one thing twice is refused, and does not let the last win."""
    row = "[[jurisdictions.named_beside]]\ncountry = 'DE'\nvalid_from = 2027-01-01\nsources = ['own_choice']\n"
    with pytest.raises(FactsError, match=r"counsel\.toml, \[named_beside\], country: two rows have the same"):
        load_facts([an_overlay(row + row)])


def test_who_contradicts() -> None:
    """A row of an overlay that meets a shipped one is the overlay's fault, and its file is named."""
    row = "group = 'D:5'\ncountry = 'ET'\nstate_from = 2021-11-01\nsources = ['own_choice']\n"
    with pytest.raises(FactsError, match=r"counsel\.toml, \[D:5\] ET, valid_from: overlap"):
        load_facts([an_overlay("[[jurisdictions.membership]]\n" + row)])


CONSTANT = "value = VALUE\nunit = 'ratio'\nwhy = 'w'\nbasis = 'b'\nsources = ['own_choice']\n"
NOT_SHIPPED_SO = {
    "a number out of order": (
        "[estimation.sm_likely]\n" + CONSTANT.replace("VALUE", "1.0"),
        "[sm_likely], value: low, likely and high",
    ),
    "a limit above another": (
        "[training_signals.p_cap_high]\n" + CONSTANT.replace("VALUE", "0.01").replace("ratio", "ratio of board power"),
        "[p_cap_low], value: not below p_cap_high",
    ),
    "a group that rows name": (
        "[[remove]]\ntable = 'jurisdictions.group'\nkey = ['744.22']\nreason = 'x'\n",
        "[membership] 744.22 MM, group: there is no group",
    ),
    "a device that rows name": (
        "[[remove]]\ntable = 'accelerators.accelerator'\nkey = ['NVIDIA H20']\nreason = 'x'\n",
        "[board_power] NVIDIA H20, device: no accelerator is called",
    ),
    "a version of a history": (
        "[[remove]]\ntable = 'control.parameters'\nkey = ['2022-10-07']\nreason = 'x'\n",
        "[parameters], valid_from: gap before",
    ),
}


@pytest.mark.parametrize("name", NOT_SHIPPED_SO)
def test_an_overlay_s_fault_is_said_under_its_own_file(name: str) -> None:
    """What goes wrong only with an overlay names the file that its author can mend, and ours in passing."""
    rows, words = NOT_SHIPPED_SO[name]
    sound = an_overlay("", name="sound", file="sound.toml")
    for overlays in ([an_overlay(rows)], [sound, an_overlay(rows)], [an_overlay(rows), sound]):
        with pytest.raises(FactsError) as caught:
            load_facts(overlays)
        assert str(caught.value).startswith(f"counsel.toml, {words}")
        assert ".toml with this overlay over it" in caught.value.problem
        assert_clear(caught.value)


def test_a_fault_of_the_shipped_facts_stays_theirs() -> None:
    """No overlay is blamed for what is wrong without it."""
    texts = {**TEXTS, "estimation.toml": TEXTS["estimation.toml"].replace("value = 0.43", "value = 43")}
    with pytest.raises(FactsError) as caught:
        read_facts(texts, [an_overlay("")])
    assert caught.value.file == "estimation.toml"


@pytest.mark.parametrize(
    ("rows", "table", "problem"),
    [
        ("[weather]\nx = 1", "[weather]", "no such topic"),
        ("[jurisdictions]\nweather = 1", "[jurisdictions]", "no such table"),
        ("[jurisdictions.group]\nid = 'D:5'", "[group]", "is no list of tables"),
        ("[[switches.switch]]\nid = 'x'", "[switch] x", "missing"),
        ("[sources]\nx = 1", "[x]", "is no table"),
        ("[[sources]]\nid = 'memo'", "[sources]", "is no table of tables"),
        ("[[switches]]\nid = 'x'", "[switches]", "is no table of tables"),
        ("[[remove]]\ntable = 'jurisdictions.watch'\nkey = ['XX', '-']\nreason = 'y'", "[remove]", "has no row"),
        ("[[remove]]\ntable = 'estimation.watch'\nkey = ['XX']\nreason = 'y'", "[remove]", "no rows in"),
        ("[[remove]]\ntable = 'jurisdictions.watch'\nkey = ['ET', '2021-11-01']", "[remove]", "missing"),
        ("[remove]\ntable = 'jurisdictions.watch'", "[remove]", "is no list of tables"),
        (
            "[[tiers.tier]]\nname = 'x'\nflop = 1\nbasis = 'y'\nnote = 'z'\nsources = ['none']",
            "[tier] x",
            "no document",
        ),
    ],
)
def test_bad_overlays(rows: str, table: str, problem: str) -> None:
    """What an overlay may not say is refused with the overlay's own file and place, and nothing is laid over."""
    with pytest.raises(FactsError) as caught:
        load_facts([an_overlay(rows)])
    assert caught.value.file == "counsel.toml"
    assert caught.value.table == table
    assert problem in caught.value.problem


A_SWITCH = "[[switches.switch]]\nid = 'affiliates_rule'\ntitle = 'x'\ngoverns = 'y'\n"
A_STATE = f"{A_SWITCH}[[switches.switch.state]]\nstate = 'stayed'\nvalid_from = 2026-11-10\n"
A_REMOVAL = "[[remove]]\ntable = 'jurisdictions.watch'\nreason = 'x'\n"
WHAT_NEXT = {
    "a document in double brackets": ("[[sources]]\nid = 'memo'", "write [sources.ID]"),
    "a topic in double brackets": ("[[switches]]\nid = 'x'", "write [[switches.TABLE]]"),
    "rows in single brackets": (
        f"{A_SWITCH}[switches.switch.state]\nstate = 'on'",
        "give tables under double brackets, as in the other rows",
    ),
    "one source without brackets": (
        f"{A_STATE}sources = 'memory'",
        "[switch] affiliates_rule [state] 2026-11-10, sources: 'memory' will not do; give a list in square brackets, "
        "as in the other rows",
    ),
    "a day in a key": (f"{A_REMOVAL}key = ['CY', 2026-10-01]", "key[2]: 2026-10-01 will not do; give a text in quotes"),
    "a missing word": (
        "[[accelerators.accelerator]]\ndevice = 'X9'\nvendor = 'NVIDIA'\nsources = ['memory']",
        "designed_for_data_centres: missing; add it: one of: yes, no, disputed",
    ),
    "a yes that is true": (
        "[[accelerators.accelerator]]\ndevice = 'X9'\nvendor = 'NVIDIA'\ndesigned_for_data_centres = true",
        "true will not do; give one of: yes, no, disputed",
    ),
    "a missing day": (
        "[sources.memo]\ncitation = 'x'\nevidence = 'secondary'\nread_on = 2026-11-01",
        "review_by: missing; add it: a date as in 2026-07-23",
    ),
}


@pytest.mark.parametrize("slip", WHAT_NEXT)
def test_a_slip_is_told_in_the_words_of_the_file(slip: str) -> None:
    """An error shows what stands in the file as it stands there, and says in what form it has to be written."""
    rows, words = WHAT_NEXT[slip]
    with pytest.raises(FactsError) as caught:
        load_facts([an_overlay(rows)])
    assert words in str(caught.value)
    assert_clear(caught.value)


def test_two_of_one_name() -> None:
    """Two overlays of one name are refused: nobody could tell which of them a finding means."""
    with pytest.raises(FactsError, match=r"'counsel' is also the name of counsel\.toml"):
        load_facts([an_overlay(""), an_overlay("", file="other.toml")])


words = st.sampled_from([*KEYS, "sources", "remove", "x"])
values = st.recursive(
    st.sampled_from(["1", "'x'", "nan", "true", "2026-01-01", "[]"]),
    lambda inner: (
        st.lists(inner, max_size=2).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(st.sampled_from(["id", "key", "x"]), inner, max_size=2).map(
            lambda table: "{ " + ", ".join(f"{key} = {value}" for key, value in table.items()) + " }"
        )
    ),
    max_leaves=4,
)


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(
        words, st.dictionaries(words | st.sampled_from(["switch", "group"]), values, max_size=2), max_size=3
    )
)
def test_any_overlay(tables: dict[str, dict[str, str]]) -> None:
    """Whatever an overlay holds, the facts are whole or there is one clear error."""
    text = "".join(
        f"[{topic}]\n" + "".join(f"{key} = {value}\n" for key, value in content.items())
        for topic, content in tables.items()
    )
    error = refusal_of(lambda: load_facts([an_overlay(text)]))
    if error is not None:
        assert_clear(error)
        assert error.file == "counsel.toml"
