import errno
import json
import os
import stat
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.custody import histories as custodies
from support.readings import H100, SECOND, a_holder, a_reading, accounts_of, an_interval, histories

from collector.accounting import Absent, Holder, HolderTotals, Why
from collector.state.file import VERSION, CannotLoad, CannotSave, Found, State, StateFile, Unsaved, from_text, to_text
from collector.state.plain import Misfit, from_plain, to_plain

A = a_holder("pod-0")
HERE = {"node": "node-a", "provenance": "measured"}
seconds = st.floats(0, 1e10)
helds = st.just(Absent(Why.HOLDERS_UNKNOWN)) | st.dictionaries(
    st.text(max_size=5), st.lists(st.sampled_from([A, a_holder("pod-1")]), max_size=2).map(tuple), max_size=3
)
states = st.builds(
    State,
    began_unix=seconds,
    clock_unix=seconds,
    ticks=st.integers(0, 2**70),
    books=histories.map(lambda history: accounts_of(*history).books()),
    held=helds,
    custody=custodies,
    unreadable=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=2),
)


def a_state(**different: Any) -> State:
    """A state in which one holder has used one GPU for a second."""
    books = accounts_of((SECOND, [an_interval(a_reading(), A)])).books()
    return replace(State(began_unix=1e9, clock_unix=1e9 + 1, ticks=1, books=books, held={"GPU-0": (A,)}), **different)


def a_file(folder: Path, **different: str) -> StateFile:
    """The state file of node-a in this folder."""
    return StateFile(folder / "state.json", **(HERE | different))


def names(folder: Path) -> list[str]:
    """What lies in a folder but for the lock."""
    return [each.name for each in folder.iterdir() if each.name != "state.json.lock"]


def found(file: StateFile) -> Found:
    """Why there is nothing to go on from."""
    with pytest.raises(CannotLoad) as refused:
        file.load()
    return refused.value.found


@given(states)
def test_a_state_reads_as_it_was_written(state: State) -> None:
    """Whatever has happened on a node, the text of its state is read as an equal state, which has the same text."""
    text = to_text(state, **HERE)
    again = from_text(text, **HERE)
    assert again == state
    assert to_text(again, **HERE) == text


def test_every_total_of_a_holder_is_kept_by_name() -> None:
    """No field of a holder's totals is left out, whichever there are."""
    totals = HolderTotals(workload=("Job", "job", "uid"), published=("held", "shared"))
    for number, name in enumerate(to_plain(totals)):
        if isinstance(getattr(totals, name), int):
            setattr(totals, name, number + 1)
    assert from_plain(HolderTotals, json.loads(json.dumps(to_plain(totals)))) == totals


def test_a_total_that_was_not_known_then_is_zero_and_one_not_known_now_is_passed_over() -> None:
    """A counter that a file lacks has counted nothing, and a counter of another version does not hinder the others."""
    plain = to_plain(HolderTotals(sole_ns=7, shared_ns=5)) | {"tensor_ns_of_tomorrow": 3}
    del plain["shared_ns"]
    assert from_plain(HolderTotals, plain) == HolderTotals(sole_ns=7)


@pytest.mark.parametrize(
    ("kind", "plain", "says"),
    [
        (int, -1, "-1 is negative"),
        (int, True, "True is not of type int"),
        (float, "1", "'1' is not of type float"),
        (float, float("inf"), "not finite"),
        (tuple[int, ...], {}, "is not a list"),
        (tuple[str, str], ["a"], "has 1 entries, not 2"),
        (str | Absent, 3, "3 is not of type str; .*is not an object"),
        (Absent, {"reason": "tired"}, "reason: 'tired' is not one of"),
        (Holder, {}, "namespace: is missing"),
        (dict[str, int], {"a": -1}, r"\.a: -1 is negative"),
    ],
)
def test_a_misfit_says_where_and_what(kind: Any, plain: Any, says: str) -> None:
    """What cannot be a value of its type is refused, with its place."""
    with pytest.raises(Misfit, match=says):
        from_plain(kind, plain)


def test_what_was_saved_is_loaded_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    """The newest saved state is there, alone in its folder, for its owner only."""
    file = a_file(tmp_path)
    assert found(file) is Found.NONE
    for ticks in (1, 2):
        assert file.save(a_state(ticks=ticks)) == file.path.stat().st_size
    assert file.load() == a_state(ticks=2)
    assert names(tmp_path) == ["state.json"]
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def spoilt(text: str) -> dict[Found, list[str]]:
    """Contents of a file that are of no use, by what they are found to be."""
    whole = json.loads(text)
    return {
        Found.CORRUPT: [
            "", "{", "null", "[]", "{}", "9" * 5000, "[" * 100_000, '"state"', text[:-20],
            text.replace('"ticks":1', '"ticks":2'),
            json.dumps(whole | {"version": "1"}), json.dumps(whole | {"sha256": 1}), json.dumps(whole | {"state": {}}),
        ],
        Found.OTHER_VERSION: [json.dumps(whole | {"version": VERSION + by, "state": "?"}) for by in (-1, 1)],
        Found.OTHER_NODE: [json.dumps(whole | {"node": "node-b"})],
        Found.OTHER_PROVENANCE: [json.dumps(whole | {"provenance": "simulated"})],
    }  # fmt: skip


SPOILT = [(why, content) for why, contents in spoilt(to_text(a_state(), **HERE)).items() for content in contents]


@pytest.mark.parametrize(("why", "content"), SPOILT, ids=range(len(SPOILT)))
def test_a_file_that_is_no_use_is_set_aside_under_a_telling_name(tmp_path: Path, why: Found, content: str) -> None:
    """Corrupt, foreign and newer files are kept as they were, named for what is wrong, and out of the way."""
    file = a_file(tmp_path)
    file.path.write_text(content, encoding="utf-8")
    assert found(file) is why
    assert names(tmp_path) == [f"state.json.{why}"]
    assert (tmp_path / f"state.json.{why}").read_text(encoding="utf-8") == content
    file.save(a_state())
    assert file.load() == a_state()


@given(st.binary(max_size=200), st.integers(0, 5000))
def test_no_content_is_fatal(noise: bytes, where: int) -> None:
    """Noise anywhere in a file, or a cut anywhere, is refused; or it has changed nothing but blanks at the end."""
    text = to_text(a_state(), **HERE)
    broken = (text.encode()[:where] + noise).decode("utf-8", errors="replace")
    with suppress(CannotLoad):
        assert from_text(broken, **HERE) == a_state()


def test_bytes_that_are_no_text_are_corrupt(tmp_path: Path) -> None:
    """A file that is not UTF-8 is set aside like any other."""
    file = a_file(tmp_path)
    file.path.write_bytes(b"\xff\x00" * 100)
    assert found(file) is Found.CORRUPT


def test_a_folder_in_the_files_place_is_set_aside(tmp_path: Path) -> None:
    """What cannot be read at all is unreadable, and makes way."""
    file = a_file(tmp_path)
    file.path.mkdir()
    assert found(file) is Found.UNREADABLE
    file.save(a_state())
    assert file.load() == a_state()


def test_a_file_that_another_collector_uses_is_left_alone(tmp_path: Path) -> None:
    """Two collectors with one file: the second neither reads nor replaces it, until the first has ended."""
    first, second = a_file(tmp_path), a_file(tmp_path)
    first.save(a_state())
    assert found(second) is Found.IN_USE
    with pytest.raises(CannotSave) as refused:
        second.save(a_state(ticks=9))
    assert (refused.value.reason, refused.value.replaced) == (Unsaved.IN_USE, False)
    assert first.load() == a_state()
    first.close()
    second.save(a_state(ticks=9))
    assert second.load() == a_state(ticks=9)


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, Unsaved.DISK_FULL),
        (errno.EROFS, Unsaved.READ_ONLY),
        (errno.EACCES, Unsaved.NO_PERMISSION),
        (errno.EIO, Unsaved.IO_ERROR),
    ],
)
def test_a_disk_that_refuses_leaves_the_old_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, reason: Unsaved
) -> None:
    """What cannot be flushed is not put in place, nothing is left lying beside it, and the reason is named."""
    file = a_file(tmp_path)
    file.save(a_state())

    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(CannotSave) as refused:
        file.save(a_state(ticks=9))
    assert (refused.value.reason, refused.value.replaced) == (reason, False)
    assert file.load() == a_state()
    assert names(tmp_path) == ["state.json"]


def test_a_folder_that_cannot_be_flushed_has_the_new_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the rename the new state is what the next collector would find, and the error says so."""
    file, flush = a_file(tmp_path), os.fsync

    def refuse_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    with pytest.raises(CannotSave) as refused:
        file.save(a_state())
    assert refused.value.replaced
    assert file.load() == a_state()


@pytest.mark.parametrize("path", ["missing/state.json", "a-file/state.json"])
def test_without_a_folder_there_is_no_file(tmp_path: Path, path: str) -> None:
    """A folder that does not exist is named as the reason, not made."""
    (tmp_path / "a-file").touch()
    file = StateFile(tmp_path / path, **HERE)
    with pytest.raises(CannotSave) as refused:
        file.save(a_state())
    assert refused.value.reason is Unsaved.NO_FOLDER


def test_a_holder_of_two_models_keeps_both_apart(tmp_path: Path) -> None:
    """Books of one holder under two models are two after loading."""
    intervals = [an_interval(a_reading(), A, gpu=model, accelerator=model) for model in (H100, "other")]
    file = a_file(tmp_path)
    file.save(a_state(books=accounts_of((SECOND, intervals)).books()))
    assert [book.accelerator for book in file.load().books.holders] == [H100, "other"]
