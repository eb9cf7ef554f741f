"""
The check of one tick: looks at the processes, holds the claims against them, and divides what is shared.

A claim that does not fit the processes wins nothing: the device's time is ambiguous. Where it fits and several hold a
device for certain, the interval is divided by use if that is known. A device that could not be checked stays as it is
claimed, and so does one that could not be read, whose time is lost.

Left out: cards that are cut into MIG instances, whose use by process NVML does not tell.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from collector.attribution import Attribution
from collector.contract import GpuState
from collector.processes.look import ProcessLook
from collector.processes.reality import NO_MORE, Comparison, KnownPods, Mismatch, compare
from collector.processes.sharing import DeviceUse, divide
from collector.readings import Absent, Holder, Reading, Why

log = logging.getLogger("flopwatch.collector")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessesChecked:
    """
    What one look came to: who uses each device, and where that speaks against the claims.

    ``failure``: why not every device that was read could be checked; None if each was.
    """

    use: Mapping[str, DeviceUse | Absent] = field(default_factory=dict)
    comparison: Comparison = field(default_factory=Comparison)
    failure: Absent | None = None

    @property
    def mismatches(self) -> Mapping[str, int]:
        """Devices by kind of mismatch."""
        return {str(kind): count for kind, count in self.comparison.mismatches.items()}

    def attribution(
        self, gpu_uuid: str, reading: Reading | Absent, elapsed_ns: int, claimed: Attribution
    ) -> Attribution:
        """What is said in place of the claims, if anything; else the parts of those who certainly share the device."""
        if isinstance(reading, Absent):
            return claimed
        override = self.comparison.overrides.get(gpu_uuid)
        if override is not None:
            return override
        seen = self.use.get(gpu_uuid)
        named = all(holder.pod_uid for holder in claimed.holders)  # a holders file may leave the UIDs out
        if not isinstance(seen, DeviceUse) or not claimed.certain or not named or len(claimed.holders) < 2:
            return claimed
        return _divided(elapsed_ns, reading, claimed, seen)


class ProcessCheck:
    """
    Holds claims against the processes that ``processes`` sees. For one thread.

    ``pods`` says what is known about pods beside their devices. Whatever goes wrong is a failure of the check, told
    once and shown while it lasts; the claims stand meanwhile.
    """

    kinds = tuple(str(kind) for kind in Mismatch)

    def __init__(self, processes: ProcessLook, *, pods: Callable[[], KnownPods] = lambda: NO_MORE) -> None:
        self._processes = processes
        self._pods = pods
        self._failure: Absent | None = None

    def look(
        self, readings: Mapping[str, Reading | Absent], held: Mapping[str, tuple[Holder, ...]] | Absent
    ) -> ProcessesChecked:
        """What is true now of the devices that were read."""
        try:
            checked = self._look(readings, held)
        # A check is an extra: no defect of it, nor of the binding below it, may stop the metering that it checks. The
        # kind of error is all that is told of it: its text may have a process id.
        except Exception as error:  # noqa: BLE001
            log.debug("processes.check_failed error=%s", type(error).__name__)
            checked = ProcessesChecked(failure=Absent(Why.CHECK_FAILED))
        if checked.failure is not None and checked.failure != self._failure:
            log.warning("processes.unchecked reason=%s", checked.failure.reason)
        self._failure = checked.failure
        return checked

    def _look(
        self, readings: Mapping[str, Reading | Absent], held: Mapping[str, tuple[Holder, ...]] | Absent
    ) -> ProcessesChecked:
        found = self._processes.use()
        read = {uuid: reading for uuid, reading in readings.items() if isinstance(reading, Reading)}
        use = {uuid: found[uuid] for uuid in read if uuid in found}
        busy_ratios = {uuid: reading.busy_ratio for uuid, reading in read.items()}
        comparison = compare(held, use, busy_ratios=busy_ratios, pods=self._pods())
        return ProcessesChecked(use=use, comparison=comparison, failure=self._why_not(use, comparison))

    def _why_not(self, use: Mapping[str, DeviceUse | Absent], comparison: Comparison) -> Absent | None:
        if not use:
            return Absent(Why.NO_DATA)
        if not self._processes.sees_host():
            return Absent(Why.PROCESSES_HIDDEN)
        return next(iter(comparison.unchecked.values()), None)


def _divided(elapsed_ns: int, reading: Reading, claimed: Attribution, seen: DeviceUse) -> Attribution:
    """The claimed holders' parts of one interval, or that nobody can tell them."""
    ratio = reading.busy_ratio
    busy_ns = ratio if isinstance(ratio, Absent) else round(ratio * elapsed_ns)
    parts = divide(elapsed_ns, busy_ns, claimed.holders, seen.pods)
    if isinstance(parts, Attribution):
        return parts
    return Attribution(state=GpuState.ATTRIBUTED, reason="", holders=claimed.holders, parts=parts)
