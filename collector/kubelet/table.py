"""
The devices of this node as the driver lists them now, with every number that somebody's ids may go by. Pure.

The table is made anew whenever the driver lists its devices: partitioning a GPU anew gives its MIG instances new UUIDs,
and may give numbers that were in use to others.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from collector.readings import Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """
    A whole GPU.

    ``index`` is NVML's, ``minor_number`` the one in ``/dev/nvidia…`` (``nvmlDeviceGetMinorNumber``). The two differ on
    some machines (PrincetonUniversity/jobstats#34). ``pci_bus_id`` is Absent where the driver does not tell.
    """

    gpu_uuid: str
    index: int
    minor_number: int | Absent
    pci_bus_id: str | Absent

    @property
    def uuid(self) -> str:
        """Its UUID."""
        return self.gpu_uuid


@dataclass(frozen=True, slots=True, kw_only=True)
class MigPlacement:
    """Where on its GPU an instance lies: NVML's id of the GPU instance profile, and the first memory slice."""

    profile_id: int
    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MigInstance:
    """
    A compute instance within a GPU instance of the GPU ``gpu_uuid``.

    ``placement`` is Absent where the driver does not say it (``nvmlGpuInstanceGetInfo`` may need privileges).
    """

    mig_uuid: str
    gpu_uuid: str
    gpu_instance_id: int
    compute_instance_id: int
    placement: MigPlacement | Absent

    @property
    def uuid(self) -> str:
        """Its UUID."""
        return self.mig_uuid


Device = Gpu | MigInstance


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTable:
    """
    All of them.

    ``published`` has what DRA drivers publish about this node in ResourceSlices, if anybody reads those: the attribute
    ``uuid``, by pool and device name.
    """

    gpus: tuple[Gpu, ...]
    instances: tuple[MigInstance, ...] = ()
    published: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @property
    def devices(self) -> tuple[Device, ...]:
        """GPUs and instances."""
        return (*self.gpus, *self.instances)
