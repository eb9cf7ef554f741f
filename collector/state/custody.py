"""
Custody of the devices: which hardware this node has, since when, and what became of it. Pure.

An inventory of the devices that the driver has named, by UUID and serial, with the moments they were first and last
seen, by the node's clock. What changes in it is counted as an event; nobody is told why, for the inventory cannot know:
a repair, a swap and a theft look the same.

Only a look at a driver that answers is evidence that a device is not there. While nothing can be read nothing vanishes.

Left out: devices that no driver names (they have an address and no identity, see ``collector/pci.py``), and a chain of
evidence over nodes: a serial that vanishes here and appears elsewhere is for the centre to see.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from collector.readings import Absent, DeviceIdentity

VANISHED_AFTER_SECONDS = 86_400.0
"""A device not seen for so long, while its driver was asked, has vanished. A guess: longer than a visit for repair."""

MOST_VANISHED = 256
"""So many vanished devices are remembered, those seen last. A guess: drivers of virtual machines make UUIDs up anew."""


class Event(StrEnum):
    """
    What can happen to a device.

    ``appeared``: never seen here before. ``vanished``: not seen for VANISHED_AFTER_SECONDS. ``returned``: seen again
    after it had vanished. ``uuid_changed``: the same serial number with another UUID. ``address_changed``: the same
    device at another PCI address. ``slot_changed``: at a PCI address a device with another serial number.
    """

    APPEARED = "appeared"
    VANISHED = "vanished"
    RETURNED = "returned"
    UUID_CHANGED = "uuid_changed"
    ADDRESS_CHANGED = "address_changed"
    SLOT_CHANGED = "slot_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """
    One device of the inventory, as it was when last seen; moments as Unix time.

    ``unseen_seconds``: for how long it has been looked for in vain since then.
    """

    identity: DeviceIdentity
    first_seen_unix: float
    last_seen_unix: float
    unseen_seconds: float = 0.0

    @property
    def has_vanished(self) -> bool:
        """Whether it is no longer counted among the node's devices."""
        return self.unseen_seconds >= VANISHED_AFTER_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Custody:
    """The inventory, in the order in which devices were first seen, and how often each event has happened."""

    entries: tuple[Entry, ...] = ()
    events: Mapping[str, int] = field(default_factory=dict)

    def present(self) -> tuple[DeviceIdentity, ...]:
        """The devices that have not vanished."""
        return tuple(entry.identity for entry in self.entries if not entry.has_vanished)

    def count(self, event: Event) -> int:
        """How often it has happened."""
        return self.events.get(event, 0)

    def look(self, seen: Iterable[DeviceIdentity], *, at_unix: float, elapsed_seconds: float) -> "Custody":
        """
        The inventory after a look that found these devices, ``elapsed_seconds`` after the look before it.

        The elapsed time is the monotonic clock's: a step of the wall clock makes no device vanish.
        """
        found = {identity.gpu_uuid: identity for identity in seen}
        before = self._predecessors(found)
        events = [
            event for uuid, identity in found.items() for event in self._events(identity, before.get(uuid), found)
        ]
        successors = {entry.identity.gpu_uuid: found[uuid] for uuid, entry in before.items()}
        entries = []
        for entry in self.entries:
            if entry.identity.gpu_uuid in successors:
                entries.append(_seen(entry, successors[entry.identity.gpu_uuid], at_unix))
                continue
            missed = replace(entry, unseen_seconds=entry.unseen_seconds + elapsed_seconds)
            events += [Event.VANISHED] * (missed.has_vanished - entry.has_vanished)
            entries.append(missed)
        new = (identity for uuid, identity in found.items() if uuid not in before)
        entries += [Entry(identity=each, first_seen_unix=at_unix, last_seen_unix=at_unix) for each in new]
        return Custody(entries=_bounded(entries), events=_added(self.events, events))

    def _predecessors(self, found: Mapping[str, DeviceIdentity]) -> dict[str, Entry]:
        """The entry that each found device goes on: its own, else one of its serial number that is not here itself."""
        before = {entry.identity.gpu_uuid: entry for entry in self.entries if entry.identity.gpu_uuid in found}
        orphans = [entry for entry in self.entries if entry.identity.gpu_uuid not in found]
        for uuid in found.keys() - before.keys():
            same = [entry for entry in orphans if _same_serial(entry.identity, found[uuid])]
            if same:  # the newest of them; a board with two GPUs has one serial number, and each goes on one entry
                before[uuid] = same[-1]
                orphans.remove(same[-1])
        return before

    def _events(
        self, identity: DeviceIdentity, before: Entry | None, found: Mapping[str, DeviceIdentity]
    ) -> Iterator[Event]:
        if before is None:
            yield Event.APPEARED
        else:
            if before.has_vanished:
                yield Event.RETURNED
            if before.identity.gpu_uuid != identity.gpu_uuid:
                yield Event.UUID_CHANGED
            if not _same_address(before.identity, identity):
                yield Event.ADDRESS_CHANGED
        stays = before is not None and not before.has_vanished and _same_address(before.identity, identity)
        if not stays and any(self._had(entry, identity, found) for entry in self.entries):
            yield Event.SLOT_CHANGED

    @staticmethod
    def _had(entry: Entry, identity: DeviceIdentity, found: Mapping[str, DeviceIdentity]) -> bool:
        """Whether this entry's device, of another serial number, was last seen where ``identity`` is now."""
        other = entry.identity
        serials_known = not isinstance(other.serial, Absent) and not isinstance(identity.serial, Absent)
        elsewhere = other.gpu_uuid in found and found[other.gpu_uuid].pci_bus_id == identity.pci_bus_id
        same_slot = other.pci_bus_id == identity.pci_bus_id and not isinstance(identity.pci_bus_id, Absent)
        return same_slot and serials_known and other.serial != identity.serial and not elsewhere


def _same_address(one: DeviceIdentity, other: DeviceIdentity) -> bool:
    """Whether nothing says that it has moved: an address that is not known now, or was not, is no move."""
    addresses = (one.pci_bus_id, other.pci_bus_id)
    return addresses[0] == addresses[1] or any(isinstance(each, Absent) for each in addresses)


def _same_serial(one: DeviceIdentity, other: DeviceIdentity) -> bool:
    return not isinstance(one.serial, Absent) and one.serial == other.serial


def _seen(entry: Entry, identity: DeviceIdentity, at_unix: float) -> Entry:
    """The entry after its device was seen; a clock that was set back makes nothing older than its first sight."""
    last = max(at_unix, entry.first_seen_unix)
    return replace(entry, identity=identity, last_seen_unix=last, unseen_seconds=0.0)


def _added(before: Mapping[str, int], events: Iterable[Event]) -> dict[str, int]:
    counted = Counter(before)
    counted.update(event.value for event in events)
    return dict(counted)


def _bounded(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """All that are present, and of the vanished ones the last seen."""
    vanished = sorted((entry for entry in entries if entry.has_vanished), key=lambda entry: entry.last_seen_unix)
    forgotten = {entry.identity.gpu_uuid for entry in vanished[:-MOST_VANISHED]}
    return tuple(entry for entry in entries if entry.identity.gpu_uuid not in forgotten)
