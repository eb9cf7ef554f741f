"""
The MIG instances of a node as written: ``[[nodes.instances]]``.

An instance is there from ``from`` up to ``to``, or all the time; so a layout can change while the node runs. The ids
that the driver gives to instances are made up here: in the order of the file, from 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from collector.simulated.products import MIB, MIG_SLICES, MigProfile, Product
from collector.simulated.tables import Table, from_to, uid

IDLE_BYTES_PER_SLICE = 9 * MIB  # what an idle instance reports as used, by the capture of an H100 with MIG


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One compute instance that fills its GPU instance, on the GPU of this index, from ``start`` up to ``end``."""

    number: int
    gpu: int
    gpu_instance_id: int
    profile: MigProfile
    mig_uuid: str
    start: float
    end: float

    def exists(self, t: float) -> bool:
        """Whether it has been made and not yet destroyed."""
        return self.start <= t < self.end

    @property
    def idle_bytes(self) -> int:
        """Memory in use while nothing runs on it."""
        return IDLE_BYTES_PER_SLICE * self.profile.slices


def read_instances(node: Table, product: Product, gpus: int, duration_seconds: float) -> tuple[Instance, ...]:
    """All instances of a node, in the order of the file. Raises ``ScenarioError``."""
    name = node.text("name")
    found: list[Instance] = []
    for number, table in enumerate(node.tables("instances")):
        profile = table.text("profile")
        if profile not in product.mig_profiles:
            known = ", ".join(product.mig_profiles) or "none: it has no MIG here"
            raise table.wrong("profile", f"{profile!r} is not one of this product's: {known}")
        start, end = from_to(table, duration_seconds) if table.has("from") or table.has("to") else (0.0, inf)
        instance = Instance(
            number=number,
            gpu=table.whole("gpu", least=0, most=gpus - 1),
            gpu_instance_id=number + 1,
            profile=product.mig_profiles[profile],
            mig_uuid=f"MIG-{uid('instance', name, str(number))}",
            start=start,
            end=end,
        )
        table.finish()
        _check_room(table, [*found, instance])
        found.append(instance)
    return tuple(found)


def _check_room(table: Table, instances: Sequence[Instance]) -> None:
    """The last of the instances fits beside those on its board."""
    last = instances[-1]
    beside = [each for each in instances if each.gpu == last.gpu and each.start < last.end and last.start < each.end]
    edges = sorted({max(last.start, each.start) for each in beside} | {last.end})
    for moment, _ in pairwise(edges):
        slices = sum(each.profile.slices for each in beside if each.exists(moment))
        if slices > MIG_SLICES:
            raise table.wrong("profile", f"needs {slices} slices at {moment:g} s, and a board has {MIG_SLICES}")
