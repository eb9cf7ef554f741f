import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cgroups import BESIDE_US, IN_PODS, ON_HOSTS, Recorded
from support.procs import AProc, a_pod_cgroup, a_uid

from collector.processes.look import Container, GpuProcess, ProcessLook, origin_of, start_of, use_of
from collector.processes.sharing import DeviceUse, Outside
from collector.readings import Absent, Why

NO_SHARE = Absent(Why.NOT_SUPPORTED)
LISTED_S = 1000  # seconds after boot at which the driver's lists are made


class Lists:
    """A driver whose lists of processes are what the test says, device by device."""

    def __init__(self, **lists: tuple[GpuProcess, ...] | Absent) -> None:
        self.lists = lists

    def processes(self) -> dict[str, tuple[GpuProcess, ...] | Absent]:
        """The lists."""
        return self.lists


def a_process(pid: int, sm_ratio: float | Absent = 0.5, *, mps: bool = False) -> GpuProcess:
    """A process that the driver lists."""
    return GpuProcess(pid=pid, memory_bytes=1024, sm_ratio=sm_ratio, mps_client=mps)


def a_look(proc: AProc, **lists: tuple[GpuProcess, ...] | Absent) -> ProcessLook:
    """A look at these lists, made at ``LISTED_S``."""
    return ProcessLook(Lists(**lists), proc=proc.path, boot_ns=lambda: LISTED_S * 1_000_000_000)


@pytest.mark.parametrize("recorded", IN_PODS, ids=lambda recorded: f"{recorded.wrote} [{recorded.source}]")
def test_recorded_cgroups_name_their_pod(recorded: Recorded) -> None:
    """Every recorded cgroup text of a pod gives the pod's UID with dashes, and the container."""
    expected = Container(pod_uid=recorded.pod_uid, container_id=recorded.container_id)
    assert origin_of(recorded.text) == expected
    assert origin_of(recorded.text.replace("\n", " (deleted)\n")) == expected


@pytest.mark.parametrize(("source", "text"), ON_HOSTS)
def test_recorded_host_processes_are_in_no_pod(source: str, text: str) -> None:
    """Services, shells and containers without Kubernetes are the host's."""
    assert origin_of(text) is Outside.HOST, source


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        BESIDE_US,
        "0::/kubepods.slice/kubepods-burstable.slice\n",
        "0::/kubepods/burstable/podNOT-A-UID/" + "c" * 64 + "\n",
        a_pod_cgroup(a_uid(1)) + a_pod_cgroup(a_uid(2)),
    ],
)
def test_what_cannot_be_told_is_not_the_host(text: str) -> None:
    """An empty text, a pod that cannot be read, and lines that contradict each other are unknown."""
    assert origin_of(text) is Outside.UNKNOWN


def test_a_pod_seen_from_another_pods_namespace_is_found() -> None:
    """Paths that begin above the reader's own cgroup, and so lack ``kubepods``, still name the pod."""
    container = "d" * 64
    expected = Container(pod_uid=a_uid(7), container_id=container)
    assert origin_of(f"0::/../../pod{a_uid(7)}/{container}\n") == expected
    slice_name = f"kubepods-burstable-pod{a_uid(7).replace('-', '_')}.slice"
    assert origin_of(f"0::/../../{slice_name}/cri-containerd-{container}.scope\n") == expected


def test_a_tenant_cannot_name_another_pod() -> None:
    """A cgroup that a container makes below its own, with another pod's name, changes nothing."""
    mine = a_pod_cgroup(a_uid(1)).strip()
    assert origin_of(f"{mine}/kubepods/burstable/pod{a_uid(2)}/{'d' * 64}\n") == origin_of(mine)


def test_a_pod_without_a_container_folder_is_still_the_pod() -> None:
    """A process that lies in the pod's own cgroup has a pod, and no container."""
    assert origin_of(f"0::/kubepods/pod{a_uid(1)}\n") == Container(pod_uid=a_uid(1), container_id=Absent(Why.NO_DATA))


@given(st.text(max_size=300))
def test_no_text_breaks_the_parser(text: str) -> None:
    """Whatever a cgroup text says, there is an answer."""
    assert isinstance(origin_of(text), Container | Outside)


@pytest.mark.parametrize("name", ["python", "a (strange) name", ") S 1 2 3", "tmux: server"])
def test_the_start_is_read_past_any_program_name(name: str) -> None:
    """Field 22 is found although a program's name may hold spaces and parentheses."""
    assert start_of(f"42 ({name}) S 1 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 368059 0 0") == 368059


def test_processes_of_one_pod_add_up(tmp_path: Path) -> None:
    """Shares of a pod's processes are summed; other pods and the host stand beside it."""
    proc = AProc(tmp_path)
    proc.put(10, a_pod_cgroup(a_uid(1)))
    proc.put(11, a_pod_cgroup(a_uid(1), "d" * 64))
    proc.put(12, a_pod_cgroup(a_uid(2)))
    proc.put(13, "0::/system.slice/sshd.service\n")
    found = a_look(proc, gpu=(a_process(10, 0.1), a_process(11, 0.2), a_process(12, 0.3), a_process(13, 0.0))).use()
    assert found == {"gpu": DeviceUse(pods={a_uid(1): 0.1 + 0.2, a_uid(2): 0.3}, outside={Outside.HOST: 0.0})}


def test_a_process_on_several_devices_counts_on_each(tmp_path: Path) -> None:
    """The key is process and device: one process with different shares of two GPUs keeps both."""
    proc = AProc(tmp_path)
    proc.put(10, a_pod_cgroup(a_uid(1)))
    found = a_look(proc, gpu0=(a_process(10, 0.9),), gpu1=(a_process(10, 0.2),)).use()
    assert [each.pods for each in found.values() if isinstance(each, DeviceUse)] == [{a_uid(1): 0.9}, {a_uid(1): 0.2}]


def test_the_order_of_processes_does_not_matter() -> None:
    """The last one listed does not win: any order gives the same use, to the last digit."""
    processes = [a_process(1, 0.1), a_process(2, 0.2), a_process(3, 0.3), a_process(4, NO_SHARE)]
    here = Container(pod_uid=a_uid(1), container_id="c" * 64)
    origins = {1: here, 2: here, 3: here, 4: Outside.HOST}
    assert len({repr(use_of(order, origins)) for order in permutations(processes)}) == 1


def test_one_unknown_share_makes_the_pods_unknown() -> None:
    """A pod of which one process's share cannot be told has no share, rather than the others' sum."""
    here = Container(pod_uid=a_uid(1), container_id="c" * 64)
    assert use_of([a_process(1, 0.4), a_process(2, NO_SHARE)], {1: here, 2: here}).pods == {a_uid(1): NO_SHARE}


def test_clients_of_mps_are_noticed() -> None:
    """One client of the Multi-Process Service says that the device is used through it."""
    use = use_of([a_process(1), a_process(2, mps=True)], {1: Outside.HOST, 2: Outside.HOST})
    assert use.mps
    assert not use_of([a_process(1)], {1: Outside.HOST}).mps


def test_a_device_whose_list_failed_says_why(tmp_path: Path) -> None:
    """A list that could not be had is absent for that device only."""
    proc = AProc(tmp_path)
    proc.put(10, a_pod_cgroup(a_uid(1)))
    found = a_look(proc, gpu0=Absent(Why.GPU_LOST), gpu1=(a_process(10),), gpu2=()).use()
    assert found["gpu0"] == Absent(Why.GPU_LOST)
    assert found["gpu1"] == DeviceUse(pods={a_uid(1): 0.5}, outside={})
    assert found["gpu2"] == DeviceUse(pods={}, outside={})


def test_a_process_that_is_gone_is_unknown(tmp_path: Path) -> None:
    """A process that ended between the list and the look used the device, and nobody knows for whom."""
    found = a_look(AProc(tmp_path), gpu=(a_process(10, 0.7),)).use()
    assert found == {"gpu": DeviceUse(pods={}, outside={Outside.UNKNOWN: 0.7})}


def test_an_id_given_away_since_the_list_is_unknown(tmp_path: Path) -> None:
    """A process that started after the list was made is not the one on it."""
    proc = AProc(tmp_path)
    proc.put(10, a_pod_cgroup(a_uid(1)), started_s=LISTED_S + 0.5)
    proc.put(11, a_pod_cgroup(a_uid(2)), started_s=LISTED_S - 0.5)
    found = a_look(proc, gpu=(a_process(10, 0.7), a_process(11, 0.1))).use()
    assert found == {"gpu": DeviceUse(pods={a_uid(2): 0.1}, outside={Outside.UNKNOWN: 0.7})}


class LookDuringHandover(ProcessLook):
    """A look during which process 10 ends and its id is given away, after its start was read and before its cgroup."""

    def __init__(self, proc: AProc) -> None:
        super().__init__(Lists(gpu=(a_process(10),)), proc=proc.path, boot_ns=lambda: LISTED_S * 1_000_000_000)
        self._folder = proc

    def _read(self, pid: int, name: str) -> str:
        if name == "cgroup":
            self._folder.put(pid, a_pod_cgroup(a_uid(2)), started_s=LISTED_S - 1)
        return super()._read(pid, name)


def test_an_id_given_away_during_the_look_is_unknown(tmp_path: Path) -> None:
    """A cgroup that was read of another process than the start is nobody's, and is not remembered as anybody's."""
    proc = AProc(tmp_path)
    proc.put(10, a_pod_cgroup(a_uid(1)), started_s=5)
    assert LookDuringHandover(proc).use() == {"gpu": DeviceUse(pods={}, outside={Outside.UNKNOWN: 0.5})}


def test_what_is_remembered_is_keyed_by_id_and_start(tmp_path: Path) -> None:
    """The same process is read once; another process under its id is read anew."""
    proc = AProc(tmp_path)
    proc.put(10, a_pod_cgroup(a_uid(1)), started_s=5)
    look = a_look(proc, gpu=(a_process(10),))
    assert look.use() == {"gpu": DeviceUse(pods={a_uid(1): 0.5}, outside={})}
    (proc.path / "10" / "cgroup").write_text("not read again")
    assert look.use() == {"gpu": DeviceUse(pods={a_uid(1): 0.5}, outside={})}
    proc.put(10, a_pod_cgroup(a_uid(2)), started_s=6)
    assert look.use() == {"gpu": DeviceUse(pods={a_uid(2): 0.5}, outside={})}


def test_what_is_no_longer_listed_is_forgotten(tmp_path: Path) -> None:
    """Memory does not grow with processes that came and went."""
    proc = AProc(tmp_path)
    source = Lists()
    look = ProcessLook(source, proc=proc.path, boot_ns=lambda: LISTED_S * 1_000_000_000)
    for pid in range(10, 60):
        proc.put(pid, a_pod_cgroup(a_uid(pid)))
        source.lists = {"gpu": (a_process(pid),)}
        look.use()
        proc.end(pid)
    assert len(look._known) == 1


def test_without_host_ids_nothing_is_looked_up(tmp_path: Path) -> None:
    """In a process id namespace of its own the same number is another process: hidden, never taken for it."""
    proc = AProc(tmp_path, of_host=False)
    proc.put(10, a_pod_cgroup(a_uid(1)))
    look = a_look(proc, gpu=(a_process(10),))
    assert not look.sees_host()
    assert look.use() == {"gpu": DeviceUse(pods={}, outside={Outside.HIDDEN: 0.5})}


def test_a_folder_without_proc_sees_nothing(tmp_path: Path) -> None:
    """A path where no ``/proc`` is mounted hides every process, and does not raise."""
    look = ProcessLook(Lists(gpu=(a_process(10),)), proc=tmp_path / "nowhere")
    assert look.use() == {"gpu": DeviceUse(pods={}, outside={Outside.HIDDEN: 0.5})}


def test_no_process_id_is_written_anywhere() -> None:
    """A process's id is in no text that could be logged, and in nothing that leaves the module."""
    process = a_process(987654)
    here = Container(pod_uid=a_uid(1), container_id="c" * 64)
    assert "987654" not in repr(process)
    assert "987654" not in repr(use_of([process], {987654: here}))


@contextmanager
def a_real_process() -> Iterator[int]:
    """The id of a process that waits until the block ends."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        try:
            yield process.pid
        finally:
            process.communicate(b"\n")


@contextmanager
def a_real_cgroup(*folders: str) -> Iterator[Path]:
    """A cgroup of this machine with this path, removed at the end; skips where none may be made."""
    root = next((path for path in (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup")) if _may_hold(path)), None)
    if root is None:
        pytest.skip("no cgroup hierarchy here in which this user may make a cgroup")
    made: list[Path] = []
    path = root
    try:
        for folder in folders:
            path /= folder
            if not path.exists():
                path.mkdir()
                made.append(path)
        yield path
    finally:
        for path in reversed(made):
            path.rmdir()


def _may_hold(root: Path) -> bool:
    return (root / "cgroup.procs").exists() and os.access(root, os.W_OK)


def test_a_real_process_in_a_pods_cgroup_is_found_by_the_kernels_own_words() -> None:
    """A process moved into a cgroup named as the kubelet names a pod's is put into that pod; one beside it is not."""
    container = "e" * 64
    with a_real_process() as inside, a_real_process() as outside:
        look = ProcessLook(Lists(gpu=(a_process(inside, 0.6), a_process(outside, 0.1))))
        if not look.sees_host():
            pytest.skip("the tests run in a process id namespace of their own")
        with a_real_cgroup("kubepods", "burstable", f"pod{a_uid(5)}", container) as cgroup:
            (cgroup / "cgroup.procs").write_text(str(inside))
            try:
                found = look.use()
            finally:
                (cgroup.parents[3] / "cgroup.procs").write_text(str(inside))
    assert found == {"gpu": DeviceUse(pods={a_uid(5): 0.6}, outside={Outside.HOST: 0.1})}


def test_a_real_process_that_ended_is_unknown() -> None:
    """The id of a process that has ended is looked up without an error."""
    with a_real_process() as ended:
        pass
    look = ProcessLook(Lists(gpu=(a_process(ended),)))
    if not look.sees_host():
        pytest.skip("the tests run in a process id namespace of their own")
    assert look.use() == {"gpu": DeviceUse(pods={}, outside={Outside.UNKNOWN: 0.5})}
