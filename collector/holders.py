"""
Who holds which device: the port, and the implementation that reads it from a file.

The file serves nodes without Kubernetes (bare metal rented whole, a Slurm prologue that writes it). The kubelet and the
Kubernetes API are a second implementation of the same port.
"""

import logging
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from collector.readings import Absent, Holder, Why

log = logging.getLogger("flopwatch.collector")

Version = tuple[int, int, int]
"""What tells one state of a file from another: inode, change time and size. Copying can keep a modification time."""


class HoldersError(Exception):
    """A holders file that cannot be used: which file, which table, what is wrong, what to write instead."""


class HolderSource(Protocol):
    """Says who holds the devices now."""

    def holders(self) -> Mapping[str, tuple[Holder, ...]] | Absent:
        """Holders by GPU UUID; a device that is missing is held by nobody. Absent when nobody can tell."""
        ...


class UnknownHolders:
    """No source of holders was given: who holds a device is not known, which is not the same as nobody."""

    def holders(self) -> Absent:
        """Always ``Absent(HOLDERS_UNKNOWN)``."""
        return Absent(Why.HOLDERS_UNKNOWN)


class StaticHolders:
    """
    Holders from a TOML file, read again when it changes on disk.

    ``[[holders]]`` with ``devices`` (GPU UUIDs), ``namespace``, ``pod``, ``container`` and optionally ``pod_uid``,
    ``workload_kind``, ``workload_name``, ``workload_uid``, ``tenant_id``; ``holders = []`` where nobody holds anything.
    A file that has become unusable makes the holders unknown (state ``ambiguous``), not absent, until it is mended.
    """

    def __init__(self, path: Path) -> None:
        """Raises ``HoldersError`` for a file that is unusable now."""
        self._path = path
        self._problem = ""
        self._version, self._holders = self._read()

    def holders(self) -> Mapping[str, tuple[Holder, ...]] | Absent:
        """The file's holders as it stands now."""
        try:
            if self._problem or _version(self._path) != self._version:
                self._version, self._holders = self._read()
        except HoldersError as error:
            if str(error) != self._problem:
                log.warning("holders.unusable problem=%r", str(error))
            self._problem = str(error)
            return Absent(Why.HOLDERS_UNKNOWN)
        self._problem = ""
        return self._holders

    def _read(self) -> tuple[Version, Mapping[str, tuple[Holder, ...]]]:
        version = _version(self._path)  # before the content: a change in between is then seen the next time
        found: dict[str, tuple[Holder, ...]] = {}
        for number, table in enumerate(_tables(self._path), start=1):
            holder, devices = _holder(f"{self._path}: [[holders]] number {number}", table)
            for device in devices:
                found[device] = (*found.get(device, ()), holder)
        return version, found


def _version(path: Path) -> Version:
    try:
        status = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    return status.st_ino, status.st_ctime_ns, status.st_size


def _unreadable(path: Path, error: OSError) -> HoldersError:
    return HoldersError(
        f"{path}: cannot be read ({error.strerror}); give --holders-file a file that this user may read"
    )


def _tables(path: Path) -> list[object]:
    try:
        top = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unreadable(path, error) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HoldersError(f"{path}: not valid TOML ({error}); write one [[holders]] table a container") from error
    tables = top.get("holders")
    if set(top) != {"holders"} or not isinstance(tables, list):
        raise HoldersError(f"{path}: has {sorted(top)}; write [[holders]] tables and nothing else, or holders = []")
    return tables


_REQUIRED = ("devices", "namespace", "pod", "container")
_OPTIONAL = ("pod_uid", "workload_kind", "workload_name", "workload_uid", "tenant_id")


def _holder(where: str, table: object) -> tuple[Holder, tuple[str, ...]]:
    if not isinstance(table, dict):
        raise HoldersError(f"{where}: {table!r} is not a table; write [[holders]] and its keys below")
    missing = [key for key in _REQUIRED if not table.get(key)]
    unknown = sorted(set(table) - set(_REQUIRED) - set(_OPTIONAL))
    if missing or unknown:
        raise HoldersError(
            f"{where}: missing {missing}, unknown {unknown}; it needs {list(_REQUIRED)} and may have {list(_OPTIONAL)}"
        )
    devices = table["devices"]
    if not isinstance(devices, list) or not all(_is_uuid(device) for device in devices):
        raise HoldersError(f"{where}: devices must be a list of GPU UUIDs such as 'GPU-…'")
    for key in (*_REQUIRED[1:], *_OPTIONAL):
        if not isinstance(table.get(key, ""), str):
            raise HoldersError(f"{where}: {key} = {table[key]!r} must be a text in quotes")
    return _from_texts({key: table.get(key, "") for key in (*_REQUIRED[1:], *_OPTIONAL)}), tuple(devices)


def _is_uuid(device: object) -> bool:
    """Numbers are refused: NVML, the kernel and schedulers count devices each in its own way."""
    return isinstance(device, str) and device.startswith(("GPU-", "MIG-"))


def _from_texts(text: Mapping[str, str]) -> Holder:
    """A pod without UID or workload is its own."""
    pod_uid = text["pod_uid"] or f"{text['namespace']}/{text['pod']}"
    return Holder(
        namespace=text["namespace"],
        pod=text["pod"],
        pod_uid=pod_uid,
        container=text["container"],
        workload_kind=text["workload_kind"] or "Pod",
        workload_name=text["workload_name"] or text["pod"],
        workload_uid=text["workload_uid"] or pod_uid,
        tenant_id=text["tenant_id"] or Absent(Why.NOT_CLAIMED),
    )
