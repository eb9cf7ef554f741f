"""One device of a driver session: what was learnt about it, and its reading."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pynvml

from collector.nvml.busy import BusyMeter
from collector.nvml.calls import Calls, DeviceCalls
from collector.nvml.errors import RESTING, DeviceGone
from collector.nvml.events import XidEvents
from collector.nvml.fields import HEALTH, METERED, FieldBatch
from collector.nvml.gpm import GpmMeter
from collector.nvml.sensors import clock_event_reasons, memory_used_bytes, sm_clock_hertz
from collector.readings import FIELD_NAMES, Absent, Reading, Why

NANOSECONDS = 1_000_000_000
CONDITION_SECONDS = 10  # a guess: as often as most are asked for their page, or more often
XID_ERRORS = "xid_errors"  # beside the fields of a reading, among what a card may not be able to tell


class Device(ABC):
    """A card or an instance of one."""

    def __init__(self, calls: Calls, pointer: Any) -> None:
        self.calls = DeviceCalls(calls)
        self._pointer = pointer
        self._last: Reading | Absent = Absent(Why.NO_DATA)

    def reading(self) -> Reading | Absent:
        """What the device reports now; Absent as a whole if it is lost or the driver has gone."""
        try:
            self._last = self._read()
        except DeviceGone as gone:
            self._forget()
            return gone.why
        return self._last

    def cannot_tell(self) -> dict[str, Absent]:
        """The fields that the last reading found not to be had while the driver stays open, or as a rule not by us."""
        if isinstance(self._last, Absent):
            return {}
        values = {name: getattr(self._last, name) for name in FIELD_NAMES}
        return {name: each for name, each in values.items() if isinstance(each, Absent) and each.reason in RESTING}

    def take_xid_errors(self) -> Counter[int]:
        """What the driver reported since the last time, by Xid number: nothing, of what it does not report about."""
        return Counter()

    @abstractmethod
    def close(self) -> None:
        """Free what the driver keeps for this device."""

    @abstractmethod
    def _read(self) -> Reading:
        """Ask for everything; raises ``DeviceGone``."""

    @abstractmethod
    def _forget(self) -> None:
        """Let no mean be over the time for which the device was gone."""


class Card(Device):
    """A whole GPU."""

    def __init__(self, calls: Calls, pointer: Any, elapsed_ns: Callable[[], int]) -> None:
        super().__init__(calls, pointer)
        self._busy = BusyMeter(self.calls, pointer)
        self._metered = FieldBatch(self.calls, pointer, METERED)
        self._health = FieldBatch(self.calls, pointer, HEALTH)
        self._elapsed_ns = elapsed_ns
        self._condition: dict[str, Any] = {}
        self._condition_due_ns = 0
        self._gpm = GpmMeter(self.calls, pointer, elapsed_ns)
        self._xid = XidEvents(self.calls, pointer)

    def take_xid_errors(self) -> Counter[int]:
        """What the driver reported since the last time, by Xid number; recorded from the first reading on."""
        return self._xid.take()

    def cannot_tell(self) -> dict[str, Absent]:
        """As of any device; and Xid errors, which are no field of a reading."""
        unsupported = self._xid.unsupported
        if isinstance(self._last, Absent) or unsupported is None:
            return super().cannot_tell()
        return {**super().cannot_tell(), XID_ERRORS: unsupported}

    def close(self) -> None:
        """Free the samples of its metrics, and its event set."""
        self._gpm.close()
        self._xid.close()

    def _read(self) -> Reading:
        # The samples come first: busy time is told up to this moment.
        reading = Reading(
            busy_ratio=self._busy.ratio(),
            **self._gpm.read(),
            **self._metered.read(),
            memory_used_bytes=memory_used_bytes(self.calls, self._pointer),
            **self._read_condition(),
        )
        self._xid.register()
        return reading

    def _read_condition(self) -> dict[str, Any]:
        """The clock, what holds it back, the memory's health: asked every CONDITION_SECONDS, for none is added up."""
        if self._elapsed_ns() >= self._condition_due_ns:
            self._condition_due_ns = self._elapsed_ns() + CONDITION_SECONDS * NANOSECONDS
            self._condition = {
                **self._health.read(),
                "sm_clock_hertz": sm_clock_hertz(self.calls, self._pointer),
                "clock_event_reasons": clock_event_reasons(self.calls, self._pointer),
            }
        return self._condition

    def _forget(self) -> None:
        self._busy.forget()
        self._gpm.forget()
        self._condition_due_ns = 0


class Instance(Device):
    """
    A MIG instance: its memory, and from Hopper on its metrics and busy time. All else is its card's, or cannot be had.

    Metrics are of the GPU instance: compute instances that share one have the same.
    """

    def __init__(self, calls: Calls, pointer: Any, card: Any, elapsed_ns: Callable[[], int]) -> None:
        super().__init__(calls, pointer)
        self._card = card
        self._elapsed_ns = elapsed_ns
        self._gpm: GpmMeter | None = None

    def close(self) -> None:
        """Free the samples of its metrics."""
        if self._gpm is not None:
            self._gpm.close()

    def _read(self) -> Reading:
        used = memory_used_bytes(self.calls, self._pointer)
        return replace(Reading.absent(Why.NOT_SUPPORTED), memory_used_bytes=used, **self._metrics())

    def _metrics(self) -> dict[str, Any]:
        """The metrics; none of them while the instance does not say which one of the card's it is."""
        if self._gpm is None:
            number = self.calls.ask(pynvml.nvmlDeviceGetGpuInstanceId, self._pointer)
            if isinstance(number, Absent):
                return {}
            self._gpm = GpmMeter(self.calls, self._card, self._elapsed_ns, number)
        return self._gpm.read()

    def _forget(self) -> None:
        if self._gpm is not None:
            self._gpm.forget()
