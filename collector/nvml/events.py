"""
Xid errors: what the driver reports about a card in the kernel's log, as events of NVML.

An event set records from the moment on at which a card is registered in it; what came before is in the kernel's log
only (nvml.h, ``nvmlDeviceRegisterEvents``). Nobody waits here: each look fetches what has been recorded since the last.

Each card has a set of its own. Of a set with several the driver says that a GPU is lost, not which, and others have
taken every device of the node for broken because of one (NVIDIA/k8s-device-plugin, internal/rm/health.go). A set whose
card was lost is freed and made anew at the card's next reading, for a registration is not known to outlive that: a
guess. What the driver reports in between is then in the kernel's log only.

Instances have none: NVML reports by card only, also in MIG mode, and then to a caller without privileges only what
concerns the whole card (nvml.h, ``nvmlEventSetWait_v2``).
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pynvml

from collector.nvml.calls import LOOKS_WITHOUT_PERMISSION, DeviceCalls, present
from collector.readings import Absent, Why

MOST_PER_LOOK = 64  # events of one card, a guess: a card that reports without end must not hold up the others
LOOKS_LEFT_OUT = LOOKS_WITHOUT_PERMISSION  # after a failure, before the next attempt
DO_NOT_WAIT_MS = 0
XID: int = pynvml.nvmlEventTypeXidCriticalError

_NONE, _LOST = object(), object()
_ANSWERS: Mapping[int, object] = {pynvml.NVML_ERROR_TIMEOUT: _NONE, pynvml.NVML_ERROR_GPU_IS_LOST: _LOST}


class XidEvents:
    """
    The Xid errors of one card, counted by number.

    ``unsupported`` says why the driver does not report them, if so; None once the card is registered.
    """

    def __init__(self, device: DeviceCalls, pointer: Any) -> None:
        self._calls = device.calls
        self._pointer = pointer
        self._set: Any = None
        self._is_stale = False
        self._looks_left_out = 0
        self.unsupported: Absent | None = Absent(Why.NO_DATA)

    def register(self) -> None:
        """
        Have the card's errors recorded from now on, if they are not already. Raises ``DeviceGone``.

        NVML: ``nvmlDeviceGetSupportedEventTypes``, ``nvmlEventSetCreate``, ``nvmlDeviceRegisterEvents``.

        What a driver does not support is asked for once; after any other failure it is asked again now and then.
        """
        if self._is_stale:
            self.close()
        if self._set is None and not self._rests():
            self._register()

    def take(self) -> Counter[int]:
        """
        What was recorded since the last time: how many errors by Xid number. Empty also where none are recorded.

        NVML: ``nvmlEventSetWait_v2``, which does not wait here; that it has no event is no error.
        By hand: ``dmesg | grep 'NVRM: Xid'``
        """
        found: Counter[int] = Counter()
        while self._set is not None and not self._is_stale and found.total() < MOST_PER_LOOK:
            event = self._calls.ask(pynvml.nvmlEventSetWait_v2, self._set, DO_NOT_WAIT_MS, answers=_ANSWERS)
            if event is _NONE:
                break
            if event is _LOST:
                self._is_stale = True
            elif isinstance(event, Absent):
                self._give_up(event)
            else:
                found[int(event.eventData)] += 1
        return found

    def close(self) -> None:
        """Free the set. Harmless when repeated."""
        if self._set is not None:
            self._calls.ask(pynvml.nvmlEventSetFree, self._set)
        self._set, self._is_stale, self.unsupported = None, False, Absent(Why.NO_DATA)

    def _rests(self) -> bool:
        if self.unsupported == Absent(Why.NOT_SUPPORTED):
            return True
        self._looks_left_out = max(0, self._looks_left_out - 1)
        return self._looks_left_out > 0

    def _give_up(self, why: Absent) -> None:
        """A set is of no use after a failure (nvml.h: undefined), nor without its only card."""
        self.close()
        self.unsupported, self._looks_left_out = why, LOOKS_LEFT_OUT

    def _register(self) -> None:
        kinds = self._ask(pynvml.nvmlDeviceGetSupportedEventTypes, self._pointer)
        if isinstance(kinds, Absent):
            return self._give_up(kinds)
        if not kinds & XID:
            return self._give_up(Absent(Why.NOT_SUPPORTED))
        made = self._ask(pynvml.nvmlEventSetCreate)
        if isinstance(made, Absent):
            return self._give_up(made)
        self._set, self._is_stale = made, True  # until the card is in it
        answer = self._ask(pynvml.nvmlDeviceRegisterEvents, self._pointer, XID, made)
        if isinstance(answer, Absent):
            return self._give_up(answer)
        self._is_stale, self.unsupported = False, None
        return None

    def _ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        answer = self._calls.ask(function, *arguments)
        return present(answer) if isinstance(answer, Absent) else answer


_NAMES: Mapping[int, str] = {
    13: "Graphics Engine Exception",
    31: "GPU memory page fault",
    43: "GPU stopped processing",
    45: "Preemptive cleanup, due to previous errors",
    48: "Double Bit ECC Error",
    63: "GPU memory remapping event",
    64: "GPU memory remapping failure",
    74: "NVLINK Error",
    79: "GPU has fallen off the bus",
    94: "Contained memory error",
    95: "Uncontained memory error",
    119: "GSP RPC Timeout",
    120: "GSP Error",
}
"""
The best-known ones, as the column Description of NVIDIA's catalogue has them, for Ampere and newer:
docs.nvidia.com/deploy/xid-errors/analyzing-xid-catalog.html. What an error asks for is in that catalogue, not here.
"""


def xid_name(xid: int) -> str:
    """What NVIDIA's catalogue calls it, or where to look it up."""
    return _NAMES.get(xid, "see NVIDIA's Xid catalogue")
