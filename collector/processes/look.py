"""
Processes on GPUs, put into pods by their control groups. On the node only: no process id leaves this module.

What is read of a process is ``/proc/<pid>/cgroup`` and the start time in ``/proc/<pid>/stat``; nothing of what it is or
does. Its cgroup names the pod because the kubelet puts every container below a folder named after the pod's UID
(kubernetes ``pkg/kubelet/cm/pod_container_manager_linux.go``: ``pod<uid>``, and with the systemd driver
``kubepods-burstable-pod<uid>.slice``, dashes turned into underscores).

Three traps. A process can end, and its id be given to another, between the driver's list and our look: one that
started after the list was made is not the one on it. Process ids are the host's: without hostPID the same number is
another process here, so nothing is looked up at all. And a tenant may make cgroups below its own, with any name: only
the outermost pod in a path counts, which is also the one that this node's kubelet knows.
"""

import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from collector.processes.sharing import DeviceUse, Outside, add_shares
from collector.readings import Absent, Why

_UUID = r"[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}"
_STATIC = r"[0-9a-f]{32}"  # a static pod has the hash of its file for a UID
# One folder of a path: pod<uid>, …-pod<uid>.slice, or …-pod<uid>.slice:cri-containerd:<container>, which is what
# containerd writes when it and the kubelet disagree about the cgroup driver.
_POD = re.compile(rf"(?:^|-)pod(?P<uid>{_UUID}|{_STATIC})(?:\.slice)?(?::[a-z-]+:(?P<container>[0-9a-f]{{64}}))?$")
# <container>, cri-containerd-<container>.scope, crio-<container>.scope, docker-<container>.scope
_CONTAINER = re.compile(r"^(?:[a-z-]+-)?(?P<container>[0-9a-f]{64})(?:\.scope)?$")

_STAT_FLAGS, _STAT_START = 9 - 3, 22 - 3  # proc_pid_stat(5) counts from 1; the name, field 2, is cut off with field 1
_PF_KTHREAD = 0x0020_0000  # include/linux/sched.h
_KTHREADD = 2  # the parent of kernel threads, which exist in the host's process id namespace alone
_STAT_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuProcess:
    """
    A process on one device, as the driver lists it. ``pid`` is the host's and stays out of every text.

    ``sm_ratio``: its share of the device's SM time since the last list, 0 to 1. ``mps_client``: it computes through
    CUDA's Multi-Process Service.
    """

    pid: int = field(repr=False)
    memory_bytes: int | Absent
    sm_ratio: float | Absent
    mps_client: bool = False


class ProcessUse(Protocol):
    """Lists the processes on every device."""

    def processes(self) -> Mapping[str, tuple[GpuProcess, ...] | Absent]:
        """Processes by device UUID, each once a device; ``Absent`` for a device whose list could not be had."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """The pod and the container that a process runs in. The UID is as the kubelet spells it, with dashes."""

    pod_uid: str
    container_id: str | Absent


Origin = Container | Outside


def origin_of(cgroup: str) -> Origin:
    """
    The pod that a process runs in, from the text of its ``/proc/<pid>/cgroup``.

    Any of its lines may tell: with cgroup v1 there is one for each controller, some of them at the root. Lines that
    name different pods, and paths of pods that cannot be read, are ``UNKNOWN``.
    """
    paths = [line.split(":", 2)[2] for line in cgroup.splitlines() if line.count(":") >= 2]
    if not paths:
        return Outside.UNKNOWN
    found = {each for each in map(_container, paths) if each is not None}
    if len({each.pod_uid for each in found}) > 1 or (not found and any(map(_is_below_some_pod, paths))):
        return Outside.UNKNOWN
    if not found:
        return Outside.HOST
    return min(found, key=lambda each: (isinstance(each.container_id, Absent), str(each.container_id)))


def start_of(stat: str) -> int:
    """When a process started, in clock ticks since boot: field 22 of its ``/proc/<pid>/stat``."""
    return int(_stat_fields(stat)[_STAT_START])


def use_of(processes: Iterable[GpuProcess], origins: Mapping[int, Origin]) -> DeviceUse:
    """One device's processes, added up by pod. The order of processes does not matter."""
    by_pod: dict[str, list[float | Absent]] = {}
    outside: dict[Outside, list[float | Absent]] = {}
    mps = False
    for process in processes:
        match origins[process.pid]:
            case Container(pod_uid=uid):
                by_pod.setdefault(uid, []).append(process.sm_ratio)
            case Outside() as where:
                outside.setdefault(where, []).append(process.sm_ratio)
        mps = mps or process.mps_client
    return DeviceUse(
        pods={uid: add_shares(by_pod[uid]) for uid in sorted(by_pod)},
        outside={where: add_shares(outside[where]) for where in sorted(outside)},
        mps=mps,
    )


class ProcessLook:
    """
    Looks at who uses the devices: the driver's lists joined with the processes' cgroups. For one thread.

    ``proc`` is where the host's ``/proc`` is mounted. What was found about a process is remembered under its id and
    start time for as long as it is listed.
    """

    def __init__(
        self, source: ProcessUse, *, proc: Path = Path("/proc"), boot_ns: Callable[[], int] | None = None
    ) -> None:
        self._source = source
        self._proc = proc
        self._boot_ns = boot_ns or _since_boot_ns
        self._known: dict[tuple[int, int], Origin] = {}

    def use(self) -> Mapping[str, DeviceUse | Absent]:
        """Who uses each device now, by device UUID; ``Absent`` for a device whose processes could not be listed."""
        lists = self._source.processes()
        listed_ns = self._boot_ns()
        pids = {process.pid for each in lists.values() if not isinstance(each, Absent) for process in each}
        origins = self._origins(pids, listed_ns)
        return {uuid: each if isinstance(each, Absent) else use_of(each, origins) for uuid, each in lists.items()}

    def sees_host(self) -> bool:
        """Whether process ids here are the host's, as they are with hostPID or with the host's ``/proc`` mounted."""
        try:
            flags = int(_stat_fields(self._read(_KTHREADD, "stat"))[_STAT_FLAGS])
        except (OSError, ValueError, IndexError):
            return False
        return bool(flags & _PF_KTHREAD)

    def _origins(self, pids: Iterable[int], listed_ns: int) -> dict[int, Origin]:
        if not self.sees_host():
            return dict.fromkeys(pids, Outside.HIDDEN)
        found: dict[int, Origin] = {}
        known: dict[tuple[int, int], Origin] = {}
        for pid in pids:
            try:
                started = start_of(self._read(pid, "stat"))
                found[pid] = known[pid, started] = self._origin(pid, started, listed_ns)
            except (OSError, ValueError, IndexError):
                found[pid] = Outside.UNKNOWN
        self._known = known
        return found

    def _origin(self, pid: int, started: int, listed_ns: int) -> Origin:
        if started * _STAT_TICK_NS > listed_ns:
            return Outside.UNKNOWN  # the id was given to another process since
        if (pid, started) in self._known:
            return self._known[pid, started]
        origin = origin_of(self._read(pid, "cgroup"))
        return origin if start_of(self._read(pid, "stat")) == started else Outside.UNKNOWN

    def _read(self, pid: int, name: str) -> str:
        return (self._proc / str(pid) / name).read_text(encoding="utf-8", errors="replace")


def _container(path: str) -> Container | None:
    """The outermost pod of one path, with the container right below it."""
    folders = path.removesuffix(" (deleted)").split("/")
    for place, folder in enumerate(folders):
        if pod := _POD.search(folder):
            below = _CONTAINER.match(folders[place + 1]) if place + 1 < len(folders) else None
            container = pod["container"] or (below["container"] if below else Absent(Why.NO_DATA))
            return Container(pod_uid=pod["uid"].replace("_", "-"), container_id=container)
    return None


def _is_below_some_pod(path: str) -> bool:
    """
    Whether a path without a readable pod is one of a pod all the same.

    In a cgroup namespace of its own the collector sees paths from its own cgroup: a container that lies right beside
    it, as in ``/../crio-<container>.scope``, is of its own pod or another container of the same engine.
    """
    folders = [folder for folder in path.split("/") if folder not in ("", "..")]
    beside = path.startswith("/..") and bool(folders) and _CONTAINER.match(folders[0]) is not None
    return beside or "kubepods" in path


def _stat_fields(stat: str) -> list[str]:
    """Fields from the third on. The second is the program's name in parentheses, and may have any inside."""
    return stat[stat.rindex(")") + 1 :].split()


def _since_boot_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
