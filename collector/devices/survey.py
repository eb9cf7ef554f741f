"""What one look at a node's GPUs found: values, which never change and never ask."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from collector.contract import UNKNOWN_ACCELERATOR
from collector.readings import Absent, DeviceIdentity, Reading, Why


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceLook:
    """What one look found out about one MIG instance."""

    identity: DeviceIdentity
    reading: Reading | Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """
    A GPU that is known by its place on the PCI bus only, or by being given out, and why nothing here reads it.

    ``key`` stands where a device that is read has its UUID, also among the holders.
    """

    accelerator: str
    key: str
    why: Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """
    What one look at the node's GPUs found; it never changes, so a scrape may read it while the next look is under way.

    ``readings`` has every device of ``known``, by GPU UUID. ``unidentified`` has one reason for each GPU that is
    counted and has no UUID. ``instances`` are the MIG instances there are, by their own UUIDs; while their card cannot
    be read, those that it had last, with its reason. ``unreadable`` are the GPUs on the PCI bus that no driver here
    names, and those that are given out and not on the bus. ``blind`` says why no GPU at all could be read, if so.
    ``errors`` are failed calls into NVML since the start, by call and code. ``unsupported`` has, for each device that
    was read, the fields that it cannot tell, or not to us. ``xid_errors`` counts what the driver reported of its
    devices since this process began, by GPU UUID and Xid number; a device that is not in it had none, or cannot tell,
    which then stands in ``unsupported``.
    """

    readings: Mapping[str, Reading | Absent]
    known: Mapping[str, DeviceIdentity]
    unidentified: tuple[Absent, ...]
    instances: Mapping[str, InstanceLook]
    unreadable: tuple[Unreadable, ...]
    blind: Absent | None
    driver_version: str | Absent
    errors: Mapping[tuple[str, str], int]
    unsupported: Mapping[str, Mapping[str, Absent]] = field(default_factory=dict)
    xid_errors: Mapping[tuple[str, int], int] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether there are GPUs and every one of them was read."""
        absent = any(isinstance(reading, Absent) for reading in self.readings.values())
        return bool(self.readings) and not absent and not self.unidentified and not self.unreadable

    def seen(self) -> tuple[DeviceIdentity, ...]:
        """The devices that were read."""
        return tuple(self.known[uuid] for uuid, reading in self.readings.items() if isinstance(reading, Reading))

    def inventory(self) -> Counter[str]:
        """The number of GPUs by accelerator model."""
        models = Counter(identity.accelerator for identity in self.known.values())
        if self.unidentified:
            models[UNKNOWN_ACCELERATOR] += len(self.unidentified)
        models.update(gpu.accelerator for gpu in self.unreadable)
        return models

    def without(self, gpu_uuids: Collection[str]) -> "Survey":
        """The same but for these GPUs, and the instances on them."""
        instances = {
            uuid: each
            for uuid, each in self.instances.items()
            if each.identity.mig is None or each.identity.mig.parent_uuid not in gpu_uuids
        }
        return replace(
            self,
            readings={uuid: each for uuid, each in self.readings.items() if uuid not in gpu_uuids},
            known={uuid: each for uuid, each in self.known.items() if uuid not in gpu_uuids},
            instances=instances,
        )

    def unread(self, why: Why) -> "Survey":
        """The same GPUs, none of them read; those that were not keep their own reason."""
        readings = {uuid: _unread(each, why) for uuid, each in self.readings.items()}
        instances = {uuid: replace(each, reading=_unread(each.reading, why)) for uuid, each in self.instances.items()}
        return replace(self, readings=readings, instances=instances)


NOT_YET = Survey(
    readings={},
    known={},
    unidentified=(),
    instances={},
    unreadable=(),
    blind=Absent(Why.NO_DATA),
    driver_version=Absent(Why.NO_DATA),
    errors={},
)
"""Before the first look."""


def _unread(reading: Reading | Absent, why: Why) -> Absent:
    return reading if isinstance(reading, Absent) else Absent(why)
