"""
One session with the simulated driver: initialised or not, the handles it gave out, and how it refuses.

Like NVML it counts initialisations, and its handles are good only for the session that gave them out.
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

import pynvml

from collector.readings import Absent, Why
from collector.simulated.gpus import DeviceState
from collector.simulated.instances import Instance
from collector.simulated.playback import NodeScript

_CODE_BY_REASON = {
    Why.NOT_SUPPORTED: pynvml.NVML_ERROR_NOT_SUPPORTED,
    Why.NO_DATA: pynvml.NVML_ERROR_NO_DATA,
    Why.GPU_LOST: pynvml.NVML_ERROR_GPU_IS_LOST,
    Why.DRIVER_GONE: pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
    Why.NO_DRIVER: pynvml.NVML_ERROR_DRIVER_NOT_LOADED,
}

Place = int | Instance
"""A card by its index, or an instance."""


class Refused(Exception):
    """Ends a call with an NVML code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(slots=True)
class EventSet:
    """
    An event set: the memory that its handle points to, and the Xid errors that wait, as (card, number).

    ``recorded`` has for each registered card the moment up to which its errors are among those.
    """

    block: Any
    recorded: dict[int, float] = field(default_factory=dict)
    waiting: list[tuple[int, int]] = field(default_factory=list)


class Session:
    """A node's driver as its functions see it. ``clock`` says the seconds since the scenario began, 0 or more."""

    def __init__(self, node: NodeScript, clock: Callable[[], float]) -> None:
        self.node = node
        self.clock = clock
        self.gpm_samples: dict[int, tuple[Any, tuple[Place, float] | None]] = {}
        self.event_sets: dict[int, EventSet] = {}
        self._initialised = 0
        self._session: float | Absent = Absent(Why.NO_DRIVER)  # when the driver was loaded that was initialised
        self._places: list[Place] = [*range(len(node.gpus)), *node.instances]
        self._block = (ctypes.c_ubyte * len(self._places))()
        self._by_address: dict[int, Place] = {}

    @property
    def is_initialised(self) -> bool:
        """Whether anybody has the driver open."""
        return self._initialised > 0

    def initialise(self, _flags: int) -> None:
        """``nvmlInitWithFlags``."""
        loaded_at = self.node.driver_loaded_at(self.clock())
        if isinstance(loaded_at, Absent):
            raise Refused(_CODE_BY_REASON[loaded_at.reason])
        if not self._initialised or loaded_at != self._session:
            self._initialised = 0
            self._session = loaded_at
            self._block = (ctypes.c_ubyte * len(self._places))()
            begin = ctypes.addressof(self._block)
            self._by_address = {begin + offset: place for offset, place in enumerate(self._places)}
        self._initialised += 1

    def shut_down(self) -> None:
        """``nvmlShutdown``."""
        self.now()
        self._initialised -= 1

    def now(self) -> float:
        """The moment of the call; refuses without initialisation, or when the driver has gone since."""
        now = self.clock()
        if not self._initialised or self.node.driver_loaded_at(now) != self._session:
            self._initialised = 0
            raise Refused(pynvml.NVML_ERROR_UNINITIALIZED)
        return now

    def hand_out(self, place: Place, device: Any) -> None:
        """Let ``device`` point to a card or an instance."""
        device._obj.contents = self.handle(place).contents

    def handle(self, place: Place) -> Any:
        """The handle of a card or an instance, as given out by this session."""
        number = place if isinstance(place, int) else len(self.node.gpus) + place.number
        address = ctypes.addressof(self._block) + number
        return pynvml.c_nvmlDevice_t(pynvml.struct_c_nvmlDevice_t.from_address(address))

    def place(self, device: Any) -> Place:
        """What the handle stands for; refuses a stranger's, a lost card's, and that of an instance that is no more."""
        now = self.now()
        place = self._by_address.get(ctypes.addressof(device.contents) if device else 0)
        if place is None or (isinstance(place, Instance) and not place.exists(now)):
            raise Refused(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        self.refuse_lost(place if isinstance(place, int) else place.gpu, now)
        return place

    def index(self, device: Any) -> int:
        """The card's index; what only cards can tell is not supported on an instance."""
        place = self.place(device)
        if isinstance(place, Instance):
            raise Refused(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return place

    def card(self, device: Any) -> int:
        """The index of the card, or of the card that the instance is on."""
        place = self.place(device)
        return place.gpu if isinstance(place, Instance) else place

    def state(self, device: Any) -> DeviceState:
        """What the card's sensors say."""
        state: DeviceState = known(self.node.state(self.index(device), self.clock()))
        return state

    def refuse_lost(self, index: int, now: float) -> None:
        """Refuse a card that has fallen off the bus."""
        if self.node.is_lost(index, now):
            raise Refused(pynvml.NVML_ERROR_GPU_IS_LOST)


def refuse(code: int) -> NoReturn:
    """End the call with this code."""
    raise Refused(code)


def code_of(absent: Absent) -> int:
    """The code that NVML would answer with."""
    return int(_CODE_BY_REASON[absent.reason])


def known(value: Any) -> Any:
    """The value; refuses with its code one that is not there."""
    if isinstance(value, Absent):
        raise Refused(code_of(value))
    return value


def fill(buffer: Any, size: Any, text: str) -> None:
    """Write a text into the caller's buffer; refuses one that is too small."""
    encoded = text.encode()
    if len(encoded) >= size.value:
        raise Refused(pynvml.NVML_ERROR_INSUFFICIENT_SIZE)
    buffer.value = encoded
