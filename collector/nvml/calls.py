"""
Asking the driver: an answer, or Absent with the reason; failures are counted, and what is settled is not asked again.

"Not supported" stays while the driver is open. "No permission" is tried again now and then: a driver has been seen to
say so for a while to a container that it had answered before (NVIDIA/DCGM#214).
"""

import logging
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType
from typing import Any

import pynvml

from collector.nvml.errors import RESTING, WHOLE_DEVICE, DeviceGone, code_name, why
from collector.readings import Absent, Why

log = logging.getLogger("flopwatch.collector")

LOOKS_WITHOUT_PERMISSION = 60  # so many looks are left out before the next attempt: a guess
NO_CODES: Mapping[int, object] = MappingProxyType({})

_OF_VALUE_TYPE: dict[int, str] = {
    pynvml.NVML_VALUE_TYPE_DOUBLE: "dVal",
    pynvml.NVML_VALUE_TYPE_UNSIGNED_INT: "uiVal",
    pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG: "ulVal",
    pynvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG: "ullVal",
    pynvml.NVML_VALUE_TYPE_SIGNED_LONG_LONG: "sllVal",
    pynvml.NVML_VALUE_TYPE_SIGNED_INT: "siVal",
    pynvml.NVML_VALUE_TYPE_UNSIGNED_SHORT: "usVal",
}


class Calls:
    """
    Calls into NVML through the binding, whose functions bear the names of the C functions without version.

    ``errors`` counts failed calls by function and code; "not supported" is an answer, not an error. ``asking`` is the
    name of the call under way, empty between calls; another thread may look at it when this one hangs.
    """

    def __init__(self) -> None:
        self.errors: Counter[tuple[str, str]] = Counter()
        self.asking = ""

    def ask(self, function: Callable[..., Any], *arguments: Any, answers: Mapping[int, object] = NO_CODES) -> Any:
        """The call's answer, or Absent; ``answers`` are codes that mean something here, and what they mean."""
        try:
            return self.plainly(function, *arguments)
        except pynvml.NVMLError as error:
            if error.value in answers:
                return answers[error.value]
            return self.failed(function.__name__, error.value)
        except UnicodeDecodeError:
            return self.nonsense(function.__name__, "undecodable")
        # The binding was not made for every library that there is: one that counts more than it has room for is an
        # IndexError, one that counts four billion a MemoryError. Whatever it is, an answer that cannot be read is none.
        except Exception:  # noqa: BLE001
            return self.nonsense(function.__name__, "unreadable")
        finally:
            self.asking = ""

    def plainly(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The call's answer; the binding's own errors go to the caller, uncounted."""
        self.asking = function.__name__
        try:
            return function(*arguments)
        finally:
            self.asking = ""

    def failed(self, call: str, code: int) -> Absent:
        """Why the call failed, counted."""
        absent = why(code)
        if absent.reason is not Why.NOT_SUPPORTED:
            self.errors[call, code_name(code)] += 1
        return absent

    def nonsense(self, call: str, code: str) -> Absent:
        """For an answer that cannot be what it claims to be, under a code of our own; counted."""
        self.errors[call, code] += 1
        return Absent(Why.DRIVER_ERROR)


class DeviceCalls:
    """
    The calls about one device. One that it does not support is made once, one that is not allowed now and then.

    ``of``: what a call is about, where it is made about several parts of the device: each is refused for itself.
    Raises ``DeviceGone`` when an answer says that the device is lost or the driver has gone.
    """

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self._settled: dict[Hashable, Absent] = {}
        self._said: set[str] = set()
        self._left_out: Counter[Hashable] = Counter()

    def ask(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        answers: Mapping[int, object] = NO_CODES,
        of: Hashable = None,
    ) -> Any:
        """The call's answer, or Absent, as ``Calls.ask`` has it."""
        call = function.__name__ if of is None else (function.__name__, of)
        if call in self._settled and self._rests(call):
            return self._settled[call]
        answer = self.calls.ask(function, *arguments, answers=answers)
        if isinstance(answer, Absent) and present(answer).reason in RESTING:
            self._settled[call] = answer
        return answer

    def say_once(self, event: str, **about: object) -> None:
        """Log it, unless it has been logged about this device."""
        line = " ".join((event, *(f"{name}={value}" for name, value in about.items())))
        if line not in self._said:
            self._said.add(line)
            log.warning("%s", line)

    def _rests(self, call: Hashable) -> bool:
        """Whether to leave the call out this time."""
        if self._settled[call].reason is Why.NOT_SUPPORTED:
            return True
        self._left_out[call] += 1
        if self._left_out[call] < LOOKS_WITHOUT_PERMISSION:
            return True
        del self._left_out[call], self._settled[call]
        return False


def present(answer: Absent) -> Absent:
    """The answer; raises ``DeviceGone`` if its reason holds for the whole device."""
    if answer.reason in WHOLE_DEVICE:
        raise DeviceGone(answer)
    return answer


def text(calls: Calls, call: str, answer: str | Absent) -> str | Absent:
    """An answer in words: without blanks around it; NO_DATA if it is empty, and nothing that cannot be printed."""
    if isinstance(answer, Absent):
        return answer
    words = answer.strip()
    if not words.isprintable():
        return calls.nonsense(call, "undecodable")
    return words or Absent(Why.NO_DATA)


def value_of(union: Any, value_type: int) -> float | Absent:
    """The member of NVML's union that the type says is set."""
    member = _OF_VALUE_TYPE.get(value_type)
    if member is None:
        return Absent(Why.DRIVER_ERROR)
    value: float = getattr(union, member)
    return value
