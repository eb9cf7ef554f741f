"""One device of a driver session: what was learnt about it, and its reading."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from collector.nvml.busy import BusyMeter
from collector.nvml.calls import Calls, DeviceCalls
from collector.nvml.errors import RESTING, DeviceGone
from collector.nvml.fields import FieldBatch
from collector.nvml.gpm import GpmMeter
from collector.nvml.sensors import clock_event_reasons, memory_used_bytes, sm_clock_hertz
from collector.readings import FIELD_NAMES, Absent, Reading, Why


class Card:
    """A whole GPU."""

    def __init__(self, calls: Calls, pointer: Any, elapsed_ns: Callable[[], int]) -> None:
        self.calls = DeviceCalls(calls)
        self._pointer = pointer
        self._busy = BusyMeter(self.calls, pointer)
        self._fields = FieldBatch(self.calls, pointer)
        self._gpm = GpmMeter(self.calls, pointer, elapsed_ns)
        self.last: Reading | Absent = Absent(Why.NO_DATA)

    def reading(self) -> Reading | Absent:
        """What the card reports now; Absent as a whole if it is lost or the driver has gone."""
        try:
            self.last = self._read()
        except DeviceGone as gone:
            self._busy.forget()
            self._gpm.forget()
            return gone.why
        return self.last

    def close(self) -> None:
        """Free what the driver keeps for this card."""
        self._gpm.close()

    def _read(self) -> Reading:
        # The samples come first: busy time is told up to this moment.
        return Reading(
            busy_ratio=self._busy.ratio(),
            **self._gpm.read(),
            **self._fields.read(),
            memory_used_bytes=memory_used_bytes(self.calls, self._pointer),
            sm_clock_hertz=sm_clock_hertz(self.calls, self._pointer),
            clock_event_reasons=clock_event_reasons(self.calls, self._pointer),
        )


class Instance:
    """
    A MIG instance: its memory, and from Hopper on its metrics. Everything else is its card's, or cannot be had.

    Metrics are of the GPU instance: compute instances that share one have the same.
    """

    def __init__(self, calls: Calls, pointer: Any, gpm: Callable[[DeviceCalls], GpmMeter | Absent]) -> None:
        self.calls = DeviceCalls(calls)
        self._pointer = pointer
        self._make_gpm = gpm
        self._gpm: GpmMeter | Absent = Absent(Why.NO_DATA)
        self.last: Reading | Absent = Absent(Why.NO_DATA)

    def reading(self) -> Reading | Absent:
        """What the instance reports now; Absent as a whole if its card is lost or the driver has gone."""
        try:
            self.last = self._read()
        except DeviceGone as gone:
            if isinstance(self._gpm, GpmMeter):
                self._gpm.forget()
            return gone.why
        return self.last

    def close(self) -> None:
        """Free what the driver keeps for this instance."""
        if isinstance(self._gpm, GpmMeter):
            self._gpm.close()

    def _read(self) -> Reading:
        if isinstance(self._gpm, Absent):
            self._gpm = self._make_gpm(self.calls)
        metrics = {} if isinstance(self._gpm, Absent) else self._gpm.read()
        used = memory_used_bytes(self.calls, self._pointer)
        return replace(Reading.absent(Why.NOT_SUPPORTED), memory_used_bytes=used, **metrics)


def settled_fields(reading: Reading | Absent) -> dict[str, Absent]:
    """The fields of a reading that will not be had while the driver stays open, or as a rule not by us."""
    if isinstance(reading, Absent):
        return {}
    values = {name: getattr(reading, name) for name in FIELD_NAMES}
    return {name: each for name, each in values.items() if isinstance(each, Absent) and each.reason in RESTING}
