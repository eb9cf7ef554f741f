"""
The simulated driver's events: Xid errors, recorded for an event set from the registration of a card in it on.

It is a guess that a set with a lost card answers so once nothing waits in it; nvml.h says that it does, not when.
"""

import ctypes
from collections.abc import Callable
from typing import Any

import pynvml

from collector.simulated.session import EventSet, Refused, Session


def supported_types(session: Session, device: Any, types: Any) -> None:
    """``nvmlDeviceGetSupportedEventTypes``: Xid errors of every card, and nothing else."""
    session.index(device)
    types._obj.value = pynvml.nvmlEventTypeXidCriticalError


def create(session: Session, event_set: Any) -> None:
    """``nvmlEventSetCreate``."""
    session.now()
    block = ctypes.c_ubyte()
    address = ctypes.addressof(block)
    session.event_sets[address] = EventSet(block=block)
    event_set._obj.contents = pynvml.struct_c_nvmlEventSet_t.from_address(address)


def register(session: Session, device: Any, types: Any, event_set: Any) -> None:
    """``nvmlDeviceRegisterEvents``: what came before is not recorded."""
    index = session.index(device)
    if types.value != pynvml.nvmlEventTypeXidCriticalError:
        raise Refused(pynvml.NVML_ERROR_NOT_SUPPORTED)
    session.event_sets[_address(session, event_set)].recorded[index] = session.now()


def wait(session: Session, event_set: Any, data: Any, _milliseconds: Any) -> None:
    """``nvmlEventSetWait_v2``, which never waits here: the next error, or none."""
    now = session.now()
    events = session.event_sets[_address(session, event_set)]
    for index, until in events.recorded.items():
        events.waiting.extend((index, xid) for xid in session.node.xid_errors(index, until, now))
        events.recorded[index] = now
    if not events.waiting:
        for index in events.recorded:
            session.refuse_lost(index, now)
        raise Refused(pynvml.NVML_ERROR_TIMEOUT)
    index, data._obj.eventData = events.waiting.pop(0)
    data._obj.eventType = pynvml.nvmlEventTypeXidCriticalError
    data._obj.device = session.handle(index)


def free(session: Session, event_set: Any) -> None:
    """``nvmlEventSetFree``."""
    session.now()
    del session.event_sets[_address(session, event_set)]


def _address(session: Session, event_set: Any) -> int:
    address = ctypes.addressof(event_set.contents) if event_set else 0
    if address not in session.event_sets:
        raise Refused(pynvml.NVML_ERROR_INVALID_ARGUMENT)
    return address


FUNCTIONS: dict[str, Callable[..., None]] = {
    "nvmlDeviceGetSupportedEventTypes": supported_types,
    "nvmlEventSetCreate": create,
    "nvmlDeviceRegisterEvents": register,
    "nvmlEventSetWait_v2": wait,
    "nvmlEventSetFree": free,
}
