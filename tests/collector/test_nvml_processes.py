from collections.abc import Callable
from pathlib import Path

import pynvml
import pytest
from support.nvml_library import NOT_TOLD, ADevice, ALibrary, lists_of
from support.scenarios import Moment, a_driver, a_node, a_pod, a_script, a_workload

from collector.nvml import DeviceHandle
from collector.nvml.processes import ATTEMPTS, SILENT_LOOKS, NvmlProcesses
from collector.processes.look import GpuProcess
from collector.readings import Absent, Why

GIB = 2**30
NO_DATA = Absent(Why.NO_DATA)
INFO, OLD = "nvmlDeviceGetProcessesUtilizationInfo", "nvmlDeviceGetProcessUtilization"


def found(lists: NvmlProcesses, device: str = "gpu0") -> tuple[GpuProcess, ...]:
    """The processes of one device now."""
    processes = lists.processes()[device]
    assert not isinstance(processes, Absent), processes
    return processes


def ratios(lists: NvmlProcesses, device: str = "gpu0") -> dict[int, float | Absent]:
    """Shares of SM time by process id, of one device now."""
    return {process.pid: process.sm_ratio for process in found(lists, device)}


@pytest.fixture(params=[INFO, OLD])
def call(request: pytest.FixtureRequest) -> str:
    """Each of the two calls that tell utilisation; with the older one the driver lacks the newer."""
    return str(request.param)


@pytest.fixture
def a_library(call: str) -> Callable[..., ALibrary]:
    """Makes a library that has this call."""

    def make(**devices: ADevice) -> ALibrary:
        library = ALibrary(**devices)
        if call == OLD:
            library.refusals[INFO] = pynvml.NVML_ERROR_FUNCTION_NOT_FOUND
        return library

    return make


def test_processes_are_listed_with_memory_and_share(a_library: Callable[..., ALibrary]) -> None:
    """Memory is in bytes, shares are ratios since the last look; a process without a sample had no utilisation."""
    device = ADevice(compute=[(10, 3 * GIB), (11, GIB)], samples=[(10, 1_000, 50)])
    with lists_of(a_library(gpu0=device)) as lists:
        lists.processes()
        device.samples += [(10, 2_000, 70)]
        assert found(lists) == (
            GpuProcess(pid=10, memory_bytes=3 * GIB, sm_ratio=0.7),
            GpuProcess(pid=11, memory_bytes=GIB, sm_ratio=0.0),
        )
        assert not lists.errors


def test_the_first_look_has_no_shares(a_library: Callable[..., ALibrary]) -> None:
    """What the driver has gathered before the first look is of no known time, so it is no share."""
    device = ADevice(compute=[(10, GIB)], samples=[(10, 1_000, 50)])
    with lists_of(a_library(gpu0=device)) as lists:
        assert ratios(lists) == {10: NO_DATA}


def test_the_driver_is_asked_for_what_is_new(a_library: Callable[..., ALibrary]) -> None:
    """Each look asks since the newest sample of the one before, device by device; a look without any keeps it."""
    device, other = ADevice(samples=[(10, 1_000, 1), (11, 3_000, 1), (12, 2_000, 1)]), ADevice(samples=[(9, 7, 1)])
    library = a_library(gpu0=device, gpu1=other)
    with lists_of(library) as lists:
        lists.processes()
        lists.processes()
        device.samples.append((10, 4_000, 1))
        lists.processes()
        lists.processes()
    assert library.asked_since == [0, 0, 3_000, 7, 3_000, 7, 4_000, 7]


def test_no_new_sample_is_not_zero(a_library: Callable[..., ALibrary]) -> None:
    """NOT_FOUND may mean that nothing ran, or that the driver has not sampled: no share, no error; the list stays."""
    device = ADevice(compute=[(10, GIB)], samples=[(10, 1_000, 50)])
    with lists_of(a_library(gpu0=device)) as lists:
        lists.processes()
        assert ratios(lists) == {10: NO_DATA}
        assert not lists.errors


def test_a_clock_set_back_does_not_silence_a_device(a_library: Callable[..., ALibrary]) -> None:
    """Where nothing is newer than the last time stamp for long, the device is looked at as for the first time."""
    device = ADevice(compute=[(10, GIB)], samples=[(10, 5_000_000, 50)])
    with lists_of(a_library(gpu0=device)) as lists:
        lists.processes()
        device.samples = [(10, 1_000, 60)]
        for _ in range(SILENT_LOOKS + 1):
            assert ratios(lists) == {10: NO_DATA}
        device.samples.append((10, 2_000, 70))
        assert ratios(lists) == {10: 0.7}


def test_a_device_without_processes_is_empty(a_library: Callable[..., ALibrary]) -> None:
    """A device on which nothing runs has an empty list, which is an answer."""
    with lists_of(a_library(gpu0=ADevice())) as lists:
        assert lists.processes() == {"gpu0": ()}
        assert not lists.errors


def test_a_list_that_grows_under_the_question_is_asked_again(a_library: Callable[..., ALibrary]) -> None:
    """A process that begins between the question for the size and the one for the samples costs a second attempt."""
    device = ADevice(compute=[(10, GIB), (11, GIB)], samples=[(10, 1_000, 50)])
    library = a_library(gpu0=device)
    with lists_of(library) as lists:
        lists.processes()
        device.samples += [(10, 2_000, 30)]
        device.newcomers = [(11, 2_001, 20)]
        assert ratios(lists) == {10: 0.3, 11: 0.2}
        assert not lists.errors


def test_a_list_that_never_stops_growing_is_given_up(a_library: Callable[..., ALibrary], call: str) -> None:
    """After some attempts the shares are absent and the failure is counted; the processes are still listed."""
    device = ADevice(compute=[(10, GIB)], samples=[(10, 1_000, 50)])
    with lists_of(a_library(gpu0=device)) as lists:
        lists.processes()
        device.samples += [(10, 2_000, 30)]
        device.newcomers = [(10, 3_000 + number, 1) for number in range(ATTEMPTS)]
        assert ratios(lists) == {10: Absent(Why.DRIVER_ERROR)}
        assert lists.errors == {(call, "NVML_ERROR_INSUFFICIENT_SIZE"): 1}


def test_a_process_on_two_devices_has_two_records(a_library: Callable[..., ALibrary]) -> None:
    """Memory and share belong to process and device, not to the process."""
    first = ADevice(compute=[(10, GIB)], samples=[(10, 1_000, 1)])
    second = ADevice(compute=[(10, 2 * GIB)], samples=[(10, 1_000, 1)])
    with lists_of(a_library(gpu0=first, gpu1=second)) as lists:
        lists.processes()
        first.samples.append((10, 2_000, 90))
        second.samples.append((10, 2_000, 20))
        listed = lists.processes()
    assert listed == {
        "gpu0": (GpuProcess(pid=10, memory_bytes=GIB, sm_ratio=0.9),),
        "gpu1": (GpuProcess(pid=10, memory_bytes=2 * GIB, sm_ratio=0.2),),
    }


def test_the_newest_sample_of_a_process_counts(a_library: Callable[..., ALibrary]) -> None:
    """Whatever the order of samples, a process has the share of its newest."""
    device = ADevice(compute=[(10, GIB)], samples=[(10, 1_000, 50)])
    with lists_of(a_library(gpu0=device)) as lists:
        lists.processes()
        device.samples += [(10, 3_000, 30), (10, 2_000, 90)]
        assert ratios(lists) == {10: 0.3}


def test_impossible_shares_are_not_clamped(a_library: Callable[..., ALibrary]) -> None:
    """More than 100 % (HAMi#555, Syllo/nvtop#110) is an error of the driver, counted, and not 100 %."""
    device = ADevice(compute=[(10, GIB), (11, GIB)], samples=[(10, 1_000, 50)])
    with lists_of(a_library(gpu0=device)) as lists:
        lists.processes()
        device.samples += [(10, 2_000, 3_000_000), (11, 2_000, 40), (404, 2_000, 101)]
        assert ratios(lists) == {10: Absent(Why.DRIVER_ERROR), 11: 0.4}
        assert lists.errors == {(OLD, "out_of_range"): 2}


def test_a_process_that_computed_and_ended_is_not_lost(a_library: Callable[..., ALibrary]) -> None:
    """Who is in the samples and in no list any more has used the device; one that did nothing has not."""
    device = ADevice(compute=[(10, GIB)], samples=[(10, 1_000, 50)])
    with lists_of(a_library(gpu0=device)) as lists:
        lists.processes()
        device.samples += [(10, 2_000, 30), (11, 2_000, 60), (12, 2_000, 0)]
        assert found(lists)[1:] == (GpuProcess(pid=11, memory_bytes=NO_DATA, sm_ratio=0.6),)


def test_mig_has_lists_without_shares(a_library: Callable[..., ALibrary]) -> None:
    """On a card in MIG mode utilisation by process is not supported, which is no error and no zero."""
    library = a_library(gpu0=ADevice(compute=[(10, GIB)]))
    library.refusals |= {INFO: pynvml.NVML_ERROR_NOT_SUPPORTED, OLD: pynvml.NVML_ERROR_NOT_SUPPORTED}
    with lists_of(library) as lists:
        assert ratios(lists) == {10: Absent(Why.NOT_SUPPORTED)}
        assert not lists.errors


def test_an_old_driver_is_asked_by_its_own_names() -> None:
    """A driver without the third version of the lists answers through the second, and without either is unsupported."""
    library = ALibrary(gpu0=ADevice(compute=[(10, GIB)]))
    library.refusals["nvmlDeviceGetComputeRunningProcesses_v3"] = pynvml.NVML_ERROR_FUNCTION_NOT_FOUND
    with lists_of(library) as lists:
        assert [process.memory_bytes for process in found(lists)] == [GIB]
    library.refusals["nvmlDeviceGetComputeRunningProcesses_v2"] = pynvml.NVML_ERROR_FUNCTION_NOT_FOUND
    with lists_of(library) as lists:
        assert lists.processes() == {"gpu0": Absent(Why.NOT_SUPPORTED)}
        assert not lists.errors


def test_clients_of_mps_are_marked() -> None:
    """Processes in the list of MPS clients are marked, whether the other list has them too or not."""
    with lists_of(ALibrary(gpu0=ADevice(compute=[(10, GIB), (11, GIB)], mps=[(11, GIB), (12, GIB)]))) as lists:
        assert {process.pid: process.mps_client for process in found(lists)} == {10: False, 11: True, 12: True}


def test_memory_that_is_not_told_is_absent() -> None:
    """A process whose memory the driver does not know has none, and not 16 EiB or 0."""
    with lists_of(ALibrary(gpu0=ADevice(compute=[(10, NOT_TOLD)]))) as lists:
        assert [process.memory_bytes for process in found(lists)] == [NO_DATA]


def test_a_process_in_several_instances_is_one() -> None:
    """Rows of one process in several instances of a card are one record, with the sum of their memory."""
    with lists_of(ALibrary(gpu0=ADevice(compute=[(10, GIB), (10, 2 * GIB), (11, NOT_TOLD), (11, GIB)]))) as lists:
        assert {process.pid: process.memory_bytes for process in found(lists)} == {10: 3 * GIB, 11: NO_DATA}


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (pynvml.NVML_ERROR_GPU_IS_LOST, Why.GPU_LOST),
        (pynvml.NVML_ERROR_NO_PERMISSION, Why.NO_PERMISSION),
        (pynvml.NVML_ERROR_UNKNOWN, Why.DRIVER_ERROR),
    ],
)
def test_a_list_that_fails_is_absent_for_its_device(code: int, why: Why) -> None:
    """A failed list is no empty list: it says why, is counted, and hides no other device's."""
    library = ALibrary(gpu0=ADevice(compute=[(10, GIB)]), gpu1=ADevice())
    library.refusals["nvmlDeviceGetComputeRunningProcesses_v3"] = code
    with lists_of(library) as lists:
        assert lists.processes() == {"gpu0": Absent(why), "gpu1": Absent(why)}
        assert [key[0] for key in lists.errors] == ["nvmlDeviceGetComputeRunningProcesses_v3"]


def test_a_device_lost_at_the_second_call_is_lost(a_library: Callable[..., ALibrary], call: str) -> None:
    """A device that goes away between its list and its shares is lost as a whole."""
    library = a_library(gpu0=ADevice(compute=[(10, GIB)]))
    library.refusals[call] = pynvml.NVML_ERROR_GPU_IS_LOST
    with lists_of(library) as lists:
        assert lists.processes() == {"gpu0": Absent(Why.GPU_LOST)}


def test_a_device_without_a_handle_says_why() -> None:
    """A device that the driver counts and does not hand out is not asked."""
    lost = DeviceHandle(index=0, address=Absent(Why.GPU_LOST), pointer=Absent(Why.GPU_LOST))
    assert NvmlProcesses(lambda: {"gpu0": lost}).processes() == {"gpu0": Absent(Why.GPU_LOST)}


def test_calls_are_counted_by_device_and_not_by_process(a_library: Callable[..., ALibrary]) -> None:
    """Fifty processes cost no more calls than one, and never more than six a device and look (gpu-manager#99)."""
    counts = []
    for processes in (1, 50):
        listed = [(pid, GIB) for pid in range(100, 100 + processes)]
        samples = [(pid, 1_000, 1) for pid, _ in listed]
        library = a_library(gpu0=ADevice(compute=listed, mps=listed, samples=samples), gpu1=ADevice())
        with lists_of(library) as lists:
            lists.processes()
        counts.append(library.calls)
    assert counts[0] == counts[1]
    assert counts[0].total() <= 2 * 6


def handles(count: int) -> dict[str, DeviceHandle]:
    """The cards of the driver that pynvml calls, by their index."""
    pointers = map(pynvml.nvmlDeviceGetHandleByIndex, range(count))
    return {
        str(index): DeviceHandle(index=index, address=index + 1, pointer=pointer)
        for index, pointer in enumerate(pointers)
    }


def test_a_scenario_lists_the_processes_that_a_file_names(tmp_path: Path) -> None:
    """Those on one card share its busy time and its memory; an idle card's have no share; the file is read anew."""
    script = a_script(tmp_path, a_node(more='processes = "pids"'), a_workload(a_pod(gpus=[0])))
    moment = Moment(10.0)
    with a_driver(script, moment):
        lists = NvmlProcesses(lambda: handles(2))
        assert lists.processes() == {"0": (), "1": ()}
        (tmp_path / "pids").write_text("0 71\n0 72\n1 73\n", encoding="ascii")
        lists.processes()
        moment.seconds = 11.0
        (one, other), (idle,) = found(lists, "0"), found(lists, "1")
    assert (one.pid, one.sm_ratio, other.pid, other.sm_ratio) == (71, 0.25, 72, 0.25)
    assert one.memory_bytes == other.memory_bytes
    assert (idle.pid, idle.sm_ratio) == (73, NO_DATA)


def test_a_scenario_that_names_no_processes_cannot_list_them(tmp_path: Path) -> None:
    """As with a driver that does not support it: that is no empty list."""
    with a_driver(a_script(tmp_path, a_node(gpus=1)), Moment(1.0)):
        assert NvmlProcesses(lambda: handles(1)).processes() == {"0": Absent(Why.NOT_SUPPORTED)}
