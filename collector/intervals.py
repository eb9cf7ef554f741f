"""
A survey of the devices, joined with who holds them: what is known about every device over one interval. Pure.
"""

from collections.abc import Iterator
from dataclasses import replace

from collector.accounting import DeviceInterval
from collector.attribution import attribute
from collector.contract import UNKNOWN_ACCELERATOR
from collector.devices import Survey
from collector.processes.port import Checked
from collector.readings import Absent, Holder, Why
from collector.state.file import Held


def device_intervals(survey: Survey, held: Held, last_known: Held) -> Iterator[DeviceInterval]:
    """One for every GPU that is counted, named or not. ``last_known`` is who held what when that was last known."""
    for uuid, reading in survey.readings.items():
        yield DeviceInterval(
            gpu_uuid=uuid,
            accelerator=survey.known[uuid].accelerator,
            reading=reading,
            attribution=attribute(reading, holders_of(uuid, held), known_holders(uuid, last_known)),
        )
    for number, why in enumerate(survey.unidentified):
        yield DeviceInterval(
            gpu_uuid=f"unidentified-{number}",
            accelerator=UNKNOWN_ACCELERATOR,
            reading=why,
            attribution=attribute(why, Absent(Why.HOLDERS_UNKNOWN)),
        )
    for gpu in survey.unreadable:
        yield DeviceInterval(
            gpu_uuid=f"pci-{gpu.pci_bus_id}",
            accelerator=gpu.accelerator,
            reading=gpu.why,
            attribution=attribute(gpu.why, Absent(Why.HOLDERS_UNKNOWN)),
        )


def holders_of(uuid: str, held: Held) -> tuple[Holder, ...] | Absent:
    """Who holds a device; nobody, or not known."""
    return held if isinstance(held, Absent) else held.get(uuid, ())


def known_holders(uuid: str, held: Held) -> tuple[Holder, ...]:
    """Who is known to hold a device."""
    holders = holders_of(uuid, held)
    return () if isinstance(holders, Absent) else holders


def after_check(interval: DeviceInterval, elapsed_ns: int, checked: Checked | None) -> DeviceInterval:
    """The interval with who held the device after the check, if there is one."""
    if checked is None:
        return interval
    after = checked.attribution(interval.gpu_uuid, interval.reading, elapsed_ns, interval.attribution)
    return replace(interval, attribution=after)


def either(before: Held, now: Held) -> Held:
    """Whoever may have held a device between two moments: the holders at both."""
    if isinstance(before, Absent) or isinstance(now, Absent):
        return now if isinstance(before, Absent) else before
    return {uuid: (*before.get(uuid, ()), *now.get(uuid, ())) for uuid in {**before, **now}}
