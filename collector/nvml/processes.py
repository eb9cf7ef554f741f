"""
Which processes are on a device and how much of it they use.

It stands apart from the driver's readings because process ids are found here and must not go far: only
``collector/processes/look.py`` is given them.

The driver keeps samples of SM utilisation by process in a buffer and answers with those since a time stamp, one for
each process that had any utilisation (nvml.h, ``nvmlDeviceGetProcessUtilization``). Asked without the last time stamp
it averages over the whole buffer, and values lag (Syllo/nvtop#91). So the first look at a device yields no shares, only
the time stamp. No new sample is NVML_ERROR_NOT_FOUND: nothing computed, or the driver has not sampled since; which of
the two cannot be told, so it is no zero.

A device costs six calls a look, more only while its list grows, however many processes or pods there are: a query for
every pod brought a node to a load of 5,000 (tkestack/gpu-manager#99).

Not supported on MIG: utilisation by process (nvml.h). The lists themselves work, with the handle of each instance.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pynvml

from collector.nvml.errors import WHOLE_DEVICE, WHY_BY_CODE, code_name
from collector.nvml.handles import DeviceHandle
from collector.processes.look import GpuProcess
from collector.readings import Absent, Why

ATTEMPTS = 3  # at a list that grows between asking for its size and fetching it: a guess
# So many looks without a sample, and the next one begins anew. Time stamps are of the node's wall clock; should it be
# set back, nothing would be newer than the last one for as long. A guess: far above any pause between samples.
SILENT_LOOKS = 60

# The versioned names, newest first: the binding's plain name raises another error when the driver is older.
_COMPUTE = (pynvml.nvmlDeviceGetComputeRunningProcesses_v3, pynvml.nvmlDeviceGetComputeRunningProcesses_v2)
_MPS = (pynvml.nvmlDeviceGetMPSComputeRunningProcesses_v3, pynvml.nvmlDeviceGetMPSComputeRunningProcesses_v2)
_UTILIZATION = (pynvml.nvmlDeviceGetProcessesUtilizationInfo, pynvml.nvmlDeviceGetProcessUtilization)

SmRatios = Mapping[int, float | Absent]


@dataclass(slots=True)
class _Seen:
    """How far a device's samples have been read: 0 is nowhere yet."""

    stamp_us: int = 0
    silent_looks: int = 0


class NvmlProcesses:
    """
    Lists processes of the devices that ``handles`` names, by device UUID. Not for use by several threads.

    ``errors`` counts failed calls as the driver's own does, into the given counter if there is one. Handles are good
    for one driver session, so ``handles`` is asked at every look; MIG instances are devices of their own, by their own
    handle.
    """

    def __init__(
        self, handles: Callable[[], Mapping[str, DeviceHandle]], errors: Counter[tuple[str, str]] | None = None
    ) -> None:
        self.errors: Counter[tuple[str, str]] = Counter() if errors is None else errors
        self._handles = handles
        self._seen: dict[str, _Seen] = {}

    def processes(self) -> Mapping[str, tuple[GpuProcess, ...] | Absent]:
        """Processes by device UUID, each once a device; ``Absent`` for a device whose list could not be had."""
        handles = self._handles()
        self._seen = {uuid: self._seen.get(uuid, _Seen()) for uuid in handles}
        return {uuid: self._of_device(self._seen[uuid], handle) for uuid, handle in handles.items()}

    def _of_device(self, seen: _Seen, handle: DeviceHandle) -> tuple[GpuProcess, ...] | Absent:
        if isinstance(handle.address, Absent):
            return handle.address
        listed = self._memory_bytes(_COMPUTE, handle)
        if isinstance(listed, Absent):
            return listed
        clients = self._memory_bytes(_MPS, handle)
        clients = {} if isinstance(clients, Absent) else clients  # most drivers list clients with the others too
        ratios = self._sm_ratios(seen, handle)
        if isinstance(ratios, Absent) and ratios.reason in WHOLE_DEVICE:
            return ratios
        return _joined({**clients, **listed}, clients, ratios)

    def _memory_bytes(
        self, versions: tuple[Callable[..., Any], ...], handle: DeviceHandle
    ) -> dict[int, int | Absent] | Absent:
        """
        Device memory by process id, in bytes. A process in several instances of a GPU is one, with their sum.

        NVML: ``nvmlDeviceGetComputeRunningProcesses``, ``nvmlDeviceGetMPSComputeRunningProcesses``.
        By hand: ``nvidia-smi --id=<uuid> --query-compute-apps=pid,used_memory --format=csv``
        """
        rows = self._ask(versions, handle.pointer)
        if isinstance(rows, Absent):
            return rows
        found: dict[int, int | Absent] = {}
        for row in rows:
            before, used = found.get(row.pid, 0), row.usedGpuMemory
            if isinstance(before, Absent) or used is None:
                found[row.pid] = Absent(Why.NO_DATA)
            else:
                found[row.pid] = before + used
        return found

    def _sm_ratios(self, seen: _Seen, handle: DeviceHandle) -> SmRatios | Absent:
        """
        Share of SM time by process id since the last look, 0 to 1; of a process that is missing it was none.

        NVML: ``nvmlDeviceGetProcessesUtilizationInfo``, or ``nvmlDeviceGetProcessUtilization`` where the driver is
        older; field ``smUtil``, in percent; divided here and nowhere else.
        By hand: ``nvidia-smi pmon --id <index> --select u``

        Absent(NO_DATA) at the first look, and when the driver has no new sample.
        """
        since_us = seen.stamp_us
        samples = self._ask(_UTILIZATION, handle.pointer, since_us)
        if isinstance(samples, Absent):
            return samples
        seen.silent_looks = 0 if samples else seen.silent_looks + 1
        if not samples:
            seen.stamp_us = 0 if seen.silent_looks >= SILENT_LOOKS else since_us
            return Absent(Why.NO_DATA)
        seen.stamp_us = max(int(sample.timeStamp) for sample in samples)
        return self._latest(samples) if since_us else Absent(Why.NO_DATA)

    def _latest(self, samples: Iterable[Any]) -> SmRatios:
        """Each process's last sample. Drivers have been seen to answer far more than 100 % (Syllo/nvtop#110)."""
        found: dict[int, float | Absent] = {}
        for sample in sorted(samples, key=lambda sample: (sample.timeStamp, sample.smUtil)):
            found[int(sample.pid)] = sample.smUtil / 100 if sample.smUtil <= 100 else Absent(Why.DRIVER_ERROR)
            if sample.smUtil > 100:
                self.errors["nvmlDeviceGetProcessUtilization", "out_of_range"] += 1
        return found

    def _ask(self, versions: tuple[Callable[..., Any], ...], *arguments: Any) -> list[Any] | Absent:
        """The answer of the first version that this driver has; an empty list when it found nothing."""
        answer: list[Any] | Absent = Absent(Why.NOT_SUPPORTED)
        for function in versions:
            answer = self._ask_one(function, *arguments)
            if not isinstance(answer, Absent) or answer.reason is not Why.NOT_SUPPORTED:
                return answer
        return answer

    def _ask_one(self, function: Callable[..., Any], *arguments: Any) -> list[Any] | Absent:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return list(function(*arguments))
            except pynvml.NVMLError as error:
                if error.value in (pynvml.NVML_ERROR_NOT_FOUND, pynvml.NVML_SUCCESS):
                    return []  # the binding raises success when there is nothing to fetch
                if error.value == pynvml.NVML_ERROR_INSUFFICIENT_SIZE and attempt < ATTEMPTS:
                    continue
                why = WHY_BY_CODE.get(error.value, Why.DRIVER_ERROR)
                if why is not Why.NOT_SUPPORTED:
                    self.errors[function.__name__, code_name(error.value)] += 1
                return Absent(why)
            # As in ``Calls.ask``: whatever the binding makes of a library that it was not made for.
            except Exception:  # noqa: BLE001
                self.errors[function.__name__, "unreadable"] += 1
                return Absent(Why.DRIVER_ERROR)
        raise AssertionError("unreachable: the last attempt returns")


def _joined(
    memory_bytes: Mapping[int, int | Absent], clients: Iterable[int], ratios: SmRatios | Absent
) -> tuple[GpuProcess, ...]:
    """
    One record for each process, by id.

    Those with a sample and no place in a list have ended, or draw graphics; only a sample that can be true is believed.
    Where there are samples, a process without one had no utilisation; where there are none, nobody's is known.
    """
    shares = {} if isinstance(ratios, Absent) else ratios
    otherwise = ratios if isinstance(ratios, Absent) else 0.0
    unlisted = {
        pid for pid, share in shares.items() if pid not in memory_bytes and not isinstance(share, Absent) and share > 0
    }
    return tuple(
        GpuProcess(
            pid=pid,
            memory_bytes=memory_bytes.get(pid, Absent(Why.NO_DATA)),
            sm_ratio=shares.get(pid, otherwise),
            mps_client=pid in set(clients),
        )
        for pid in sorted({*memory_bytes, *unlisted})
    )
