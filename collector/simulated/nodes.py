"""
The nodes of a scenario as written: ``[[nodes]]`` with their faults and instances, before it is known what runs.

Hardware is made up from names, so that a node keeps its devices from one run to the next.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid5

from collector.readings import Absent, DeviceIdentity, Why
from collector.simulated.foreign import Foreign, read_foreign
from collector.simulated.gpus import Phase
from collector.simulated.instances import Instance, read_instances
from collector.simulated.playback import Fault, FaultKind, NodeScript
from collector.simulated.products import Product, products
from collector.simulated.tables import NAMESPACE, Table, from_to, uid

OF_GPUS = (FaultKind.GPU_LOST, FaultKind.XID)
LARGEST_XID = 999  # a guess: far above NVIDIA's catalogue, and enough to catch a slip
NO_FABRIC = Absent(Why.NOT_SUPPORTED)
MOST_GPUS = 16  # an HGX baseboard has 8; 16 leaves every GPU a PCI bus number of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One ``[[nodes]]`` table. Without GPUs of its own a node has ``foreign`` ones, and ``product`` is of nothing."""

    name: str
    product: Product
    gpus: int
    foreign: tuple[Foreign, ...] = ()
    mig: bool = False
    passthrough: bool = False
    energy_counter: bool = True
    fabric_cluster_uuid: str | Absent = NO_FABRIC
    instances: tuple[Instance, ...] = ()
    faults: tuple[Fault, ...] = ()
    processes: Path | None = None

    def script(self, phases: Iterable[Phase]) -> NodeScript:
        """The node with what runs on it."""
        return NodeScript(
            node_name=self.name,
            product=self.product,
            gpus=[_identity(self, index) for index in range(self.gpus)],
            phases=tuple(phases),
            faults=self.faults,
            instances=self.instances,
            mig=self.mig,
            passthrough=self.passthrough,
            energy_counter=self.energy_counter,
            processes=self.processes,
            foreign=self.foreign,
        )


def read_nodes(top: Table, duration_seconds: float) -> dict[str, Node]:
    """All nodes by name, in the order of the file. Raises ``ScenarioError``."""
    nodes: dict[str, Node] = {}
    for table in top.tables("nodes"):
        node = _node(table, duration_seconds)
        if node.name in nodes:
            raise table.wrong("name", f"{node.name!r} is there already; give every node its own name")
        nodes[node.name] = node
    if not nodes:
        raise top.wrong("nodes", "is missing; write at least one [[nodes]] table")
    return nodes


def _node(table: Table, duration_seconds: float) -> Node:
    foreign = read_foreign(table)
    gpus = table.whole("gpus", least=0 if foreign else 1, most=MOST_GPUS)
    if gpus:
        return _node_with_gpus(table, gpus, foreign, duration_seconds)
    node = Node(name=table.text("name"), product=next(iter(products().values())), gpus=0, foreign=foreign)
    table.finish()
    return node


def _node_with_gpus(table: Table, gpus: int, foreign: tuple[Foreign, ...], duration_seconds: float) -> Node:
    product_name = table.text("product")
    if product_name not in products():
        raise table.wrong("product", f"{product_name!r} is unknown; choose one of {', '.join(products())}")
    product = products()[product_name]
    node = Node(
        name=table.text("name"),
        product=product,
        gpus=gpus,
        foreign=foreign,
        mig=table.flag("mig"),
        passthrough=table.flag("passthrough"),
        energy_counter=not table.flag("no_energy_counter"),
        fabric_cluster_uuid=_fabric(table, product),
        instances=read_instances(table, product, gpus, duration_seconds),
        faults=tuple(_fault(fault, gpus, duration_seconds) for fault in table.tables("faults")),
        processes=table.file.parent / table.text("processes") if table.has("processes") else None,
    )
    table.finish()
    return node


def _fabric(table: Table, product: Product) -> str | Absent:
    """The cluster of the NVLink fabric: nodes that name the same one are in one NVLink domain."""
    if not product.fabric:
        return NO_FABRIC
    if not table.has("fabric"):
        return Absent(Why.NO_DATA)
    return uid("fabric", table.text("fabric"))


def _fault(table: Table, gpus: int, duration_seconds: float) -> Fault:
    kind = table.text("kind")
    if kind not in list(FaultKind):
        raise table.wrong("kind", f"{kind!r} is unknown; choose one of {', '.join(FaultKind)}")
    concerned = table.indices("gpus", count=gpus) if kind in OF_GPUS else ()
    code = table.whole("code", least=1, most=LARGEST_XID) if kind == FaultKind.XID else 0
    start, end = (_at(table, duration_seconds),) * 2 if code else from_to(table, duration_seconds)
    table.finish()
    return Fault(kind=FaultKind(kind), gpus=concerned, start=start, end=end, code=code)


def _at(table: Table, duration_seconds: float) -> float:
    """The field ``at`` in seconds, within the scenario."""
    at = table.seconds("at")
    if at > duration_seconds:
        raise table.wrong("at", f"must not be after the end ({duration_seconds:g} s)")
    return at


def _identity(node: Node, index: int) -> DeviceIdentity:
    digest = uuid5(NAMESPACE, f"gpu/{node.name}/{index}")
    return DeviceIdentity(
        gpu_uuid=f"GPU-{digest}",
        accelerator=node.product.name,
        pci_bus_id=f"00000000:{0x0A + 0x0F * index:02X}:00.0",
        serial=f"{digest.int % 10**13:013d}",
        board_part_number=node.product.board_part_number,
        vbios_version=node.product.vbios_version,
        index=index,
        minor_number=index,
        compute_capability=node.product.compute_capability,
        architecture=node.product.architecture,
        fabric_cluster_uuid=node.fabric_cluster_uuid,
        fabric_clique_id=node.fabric_cluster_uuid if isinstance(node.fabric_cluster_uuid, Absent) else 0,
        mig=None,
        multiprocessors=node.product.multiprocessors,
    )
