"""
Who held a device in an interval, and into which state its GPU-seconds go. Pure.

A shared device is counted once, as ambiguous, with every candidate named: splitting it by guess would accuse or clear
somebody, and giving it whole to each would count it twice.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from collector.contract import GpuState
from collector.readings import Absent, Holder, Reading, Why

NOTHING_READS_IT = (Why.NO_DRIVER, Why.PASSED_THROUGH, Why.FOREIGN_VENDOR)
"""Why a GPU is blind, which is not lost: there is nothing on the node that could read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """
    The state of one device, the reason (empty for ``attributed`` and ``unallocated``), and who may have held it.

    A lost or blind device keeps its holders: they had it, whether it could be read or not.
    """

    state: GpuState
    reason: str
    holders: tuple[Holder, ...]


def attribute(reading: Reading | Absent, holders: Iterable[Holder] | Absent) -> Attribution:
    """Join what the driver said about a device with who is known to hold it. The order of holders does not matter."""
    if isinstance(holders, Absent):
        known: tuple[Holder, ...] = ()
    else:
        known = tuple(dict.fromkeys(sorted(holders, key=repr)))
    if isinstance(reading, Absent):
        state = GpuState.BLIND if reading.reason in NOTHING_READS_IT else GpuState.LOST
        return Attribution(state=state, reason=reading.reason, holders=known)
    if isinstance(holders, Absent):
        return Attribution(state=GpuState.AMBIGUOUS, reason=Why.HOLDERS_UNKNOWN, holders=())
    return _of_read_device(known)


def _of_read_device(holders: tuple[Holder, ...]) -> Attribution:
    match len(holders):
        case 0:
            return Attribution(state=GpuState.UNALLOCATED, reason="", holders=())
        case 1:
            return Attribution(state=GpuState.ATTRIBUTED, reason="", holders=holders)
        case _:
            return Attribution(state=GpuState.AMBIGUOUS, reason=Why.SHARED, holders=holders)
