import logging
import os
from pathlib import Path

import pytest

from collector.holders import HoldersError, StaticHolders, UnknownHolders
from collector.readings import Absent, Holder, Why

UNKNOWN = Absent(Why.HOLDERS_UNKNOWN)


def a_table(pod: str = "pod-0", devices: str = '["GPU-0"]', more: str = "") -> str:
    """One ``[[holders]]`` table."""
    return f'[[holders]]\ndevices = {devices}\nnamespace = "tenant-a"\npod = "{pod}"\ncontainer = "main"\n{more}\n'


def a_file(folder: Path, *tables: str) -> Path:
    """The holders file, written as an administrator's script should: beside it, then moved into its place."""
    draft, path = folder / "draft.toml", folder / "holders.toml"
    draft.write_text("".join(tables), encoding="utf-8")
    return draft.replace(path)


def pods(source: StaticHolders) -> dict[str, list[str]]:
    """The pods' names by device."""
    held = source.holders()
    assert not isinstance(held, Absent)
    return {device: [holder.pod for holder in holders] for device, holders in held.items()}


def test_no_source_is_unknown_and_not_nobody() -> None:
    """Without a source the holders are unknown."""
    assert UnknownHolders().holders() == UNKNOWN


def test_a_holder_needs_four_keys(tmp_path: Path) -> None:
    """A pod without UID or workload is its own workload, and claims no tenant."""
    source = StaticHolders(a_file(tmp_path, a_table()))
    held = source.holders()
    assert isinstance(held, dict)
    assert [repr(holder) for holder in held["GPU-0"]] == [
        repr(
            Holder(
                namespace="tenant-a",
                pod="pod-0",
                pod_uid="tenant-a/pod-0",
                container="main",
                workload_kind="Pod",
                workload_name="pod-0",
                workload_uid="tenant-a/pod-0",
                tenant_id=Absent(Why.NOT_CLAIMED),
            )
        )
    ]


def test_optional_keys_are_kept(tmp_path: Path) -> None:
    """UID, workload and tenant are taken as written."""
    more = 'pod_uid = "u"\nworkload_kind = "Slurm"\nworkload_name = "w"\nworkload_uid = "wu"\ntenant_id = "t-1"'
    held = StaticHolders(a_file(tmp_path, a_table(more=more))).holders()
    assert isinstance(held, dict)
    (holder,) = held["GPU-0"]
    found = (holder.pod_uid, holder.workload_kind, holder.workload_name, holder.workload_uid, holder.tenant_id)
    assert found == ("u", "Slurm", "w", "wu", "t-1")


def test_a_device_may_have_several_holders(tmp_path: Path) -> None:
    """Two tables with one device share it; a device in no table is held by nobody."""
    source = StaticHolders(a_file(tmp_path, a_table("a", '["GPU-0", "GPU-1"]'), a_table("b", '["GPU-1"]')))
    assert pods(source) == {"GPU-0": ["a"], "GPU-1": ["a", "b"]}


def test_nobody_is_said_in_so_many_words(tmp_path: Path) -> None:
    """``holders = []`` means nobody; an empty file, as an interrupted write leaves it, means nothing and is refused."""
    assert pods(StaticHolders(a_file(tmp_path, "holders = []"))) == {}
    with pytest.raises(HoldersError, match=r"holders = \[\]"):
        StaticHolders(a_file(tmp_path, ""))


def test_a_change_is_seen(tmp_path: Path) -> None:
    """A file that was replaced is read again, also when the new one has the old one's size and modification time."""
    source = StaticHolders(a_file(tmp_path, a_table("a")))
    before = (tmp_path / "holders.toml").stat()
    path = a_file(tmp_path, a_table("b"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert pods(source) == {"GPU-0": ["b"]}


def test_an_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    """As long as the file stands, the same holders are given without reading."""
    source = StaticHolders(a_file(tmp_path, a_table()))
    assert source.holders() is source.holders()


@pytest.mark.parametrize("bad", ["[[holders]", "", a_table(devices='"GPU-0"')])
def test_a_file_that_becomes_bad_is_unknown_until_mended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, bad: str
) -> None:
    """Holders are unknown for as long as the file is bad, never those of before; it is logged once."""
    source = StaticHolders(a_file(tmp_path, a_table("a")))
    a_file(tmp_path, bad)
    with caplog.at_level(logging.WARNING):
        assert [source.holders() for _ in range(3)] == [UNKNOWN] * 3
    assert len(caplog.records) == 1
    a_file(tmp_path, a_table("b"))
    assert pods(source) == {"GPU-0": ["b"]}


def test_a_file_that_vanishes_is_unknown_until_it_is_back(tmp_path: Path) -> None:
    """A file that was removed makes the holders unknown; the same file put back is read."""
    path = a_file(tmp_path, a_table("a"))
    source = StaticHolders(path)
    path.rename(tmp_path / "away")
    assert source.holders() == UNKNOWN
    (tmp_path / "away").rename(path)
    assert pods(source) == {"GPU-0": ["a"]}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[holders]", r"not valid TOML \(.*\); write one \[\[holders\]\] table a container"),
        ("[[holder]]\npod = 'a'", r"has \['holder'\]; write \[\[holders\]\] tables and nothing else"),
        ("holders = 5", r"has \['holders'\]; write \[\[holders\]\] tables"),
        ("holders = ['x']", r"number 1: 'x' is not a table; write \[\[holders\]\]"),
        (a_table() + "[[holders]]\npod = 'a'", r"number 2: missing \['devices', 'namespace', 'container'\]"),
        (a_table(more="tenant = 't'"), r"number 1: missing \[\], unknown \['tenant'\]; it needs .* and may have"),
        (a_table(devices='"GPU-0"'), r"devices must be a list of GPU UUIDs such as 'GPU-…'"),
        (a_table(devices="[0]"), r"devices must be a list of GPU UUIDs such as 'GPU-…'"),
        (a_table(devices='["0"]'), r"devices must be a list of GPU UUIDs such as 'GPU-…'"),
        (a_table(devices='["nvidia0"]'), r"devices must be a list of GPU UUIDs such as 'GPU-…'"),
        (a_table(more="tenant_id = 7"), r"number 1: tenant_id = 7 must be a text in quotes"),
    ],
)
def test_a_bad_file_says_where_what_and_what_next(tmp_path: Path, text: str, says: str) -> None:
    """The error names the file, the table, what is wrong and what to write instead."""
    path = a_file(tmp_path, text)
    with pytest.raises(HoldersError, match=says) as refused:
        StaticHolders(path)
    assert str(refused.value).startswith(str(path))


def test_a_number_makes_holders_unknown_and_nobody_free(tmp_path: Path) -> None:
    """A prologue that begins to write an index (jobstats#34) leaves no GPU free: nobody can tell who holds it."""
    path = a_file(tmp_path, a_table())
    holders = StaticHolders(path)
    a_file(tmp_path, a_table(devices='["1"]'))
    assert holders.holders() == Absent(Why.HOLDERS_UNKNOWN)


def test_a_file_that_is_not_text_or_not_there_is_refused(tmp_path: Path) -> None:
    """Bytes that are no text, a missing file and a folder each have their sentence."""
    path = tmp_path / "holders.toml"
    with pytest.raises(HoldersError, match=r"cannot be read \(No such file or directory\)"):
        StaticHolders(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(HoldersError, match="not valid TOML"):
        StaticHolders(path)
    with pytest.raises(HoldersError, match=r"cannot be read \(Is a directory\)"):
        StaticHolders(tmp_path)
