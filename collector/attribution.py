"""
Who held a device in an interval, and into which state its GPU-seconds go. Pure.

A shared device is counted once, as ambiguous, with every candidate named: splitting it by guess would accuse or clear
somebody, and giving it whole to each would count it twice. While nobody can tell who holds a device, whoever held it
when that was last known stays a candidate: not knowing clears nobody.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from collector.contract import GpuState
from collector.readings import Absent, Holder, Reading, Why

NOTHING_READS_IT = (Why.NO_DRIVER, Why.PASSED_THROUGH, Why.FOREIGN_VENDOR)
"""Why a GPU is blind, which is not lost: there is nothing on the node that could read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one holder gets of an interval: ``busy_ns`` of the ``held_ns``; absent when the device does not tell."""

    holder: Holder
    held_ns: int
    busy_ns: int | Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """
    The state of one device, the reason (empty for ``attributed`` and ``unallocated``), and who may have held it.

    A lost or blind device keeps its holders: they had it, whether it could be read or not. ``certain``: they are known
    to have held it, not only to have held it before.

    ``parts``: how the interval is divided among the holders, where that is known; they add up to it exactly.
    """

    state: GpuState
    reason: str
    holders: tuple[Holder, ...]
    certain: bool = True
    parts: tuple[Part, ...] = ()

    @property
    def is_sole(self) -> bool:
        """Whether one holder had the device, and nobody else can have had it."""
        return self.certain and len(self.holders) == 1 and self.state is not GpuState.AMBIGUOUS


def attribute(
    reading: Reading | Absent, holders: Iterable[Holder] | Absent, last_known: Iterable[Holder] = ()
) -> Attribution:
    """
    Join what the driver said about a device with who is known to hold it. The order of holders does not matter.

    ``last_known``: who held it when that was last known; counts only where ``holders`` is Absent.
    """
    known = _once(last_known if isinstance(holders, Absent) else holders)
    doubt = holders if isinstance(holders, Absent) else _doubt(known)
    certain = doubt is None
    if isinstance(reading, Absent):
        state = GpuState.BLIND if reading.reason in NOTHING_READS_IT else GpuState.LOST
        return Attribution(state=state, reason=reading.reason, holders=known, certain=certain)
    if doubt is not None:
        return Attribution(state=GpuState.AMBIGUOUS, reason=doubt.reason, holders=known, certain=False)
    return _of_read_device(known)


def _once(holders: Iterable[Holder]) -> tuple[Holder, ...]:
    """Each holder once, in a fixed order; without doubt if it is there without doubt as well."""
    certain_first = sorted(holders, key=lambda each: (each.doubt is not None, repr(each)))
    return tuple(sorted(dict.fromkeys(certain_first), key=repr))


def _doubt(holders: Iterable[Holder]) -> Absent | None:
    """The first reason why it is not certain who holds the device."""
    return next((each.doubt for each in holders if each.doubt is not None), None)


def _of_read_device(holders: tuple[Holder, ...]) -> Attribution:
    match len(holders):
        case 0:
            return Attribution(state=GpuState.UNALLOCATED, reason="", holders=())
        case 1:
            return Attribution(state=GpuState.ATTRIBUTED, reason="", holders=holders)
        case _:
            return Attribution(state=GpuState.AMBIGUOUS, reason=Why.SHARED, holders=holders)
