"""Scenarios for tests: small TOML files in which only what matters is written, and a clock that stands still."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from collector.nvml import Driver
from collector.simulated.driver import SimulatedDriver, installed
from collector.simulated.playback import NodeScript
from collector.simulated.scenario import load_scenario

H100 = "NVIDIA H100 80GB HBM3"
CONSTANT = '{ kind = "constant", busy = 0.5, power = 0.5, memory = 0.25 }'
TRAINING = '{ kind = "training", busy = 0.97, power = 0.8, memory = 0.85, period = "20s", dip = "2s" }'


@dataclass(slots=True)
class Moment:
    """A clock that says what it is told: seconds since the scenario began."""

    seconds: float = 0.0

    def __call__(self) -> float:
        """The moment."""
        return self.seconds

    def elapsed_ns(self) -> int:
        """The moment in nanoseconds."""
        return round(self.seconds * 1e9)


def a_pod(
    name: str = "pod-0",
    *,
    gpus: Sequence[int] = (0,),
    start: str = "0h",
    end: str = "2h",
    signal: str = CONSTANT,
    node: str = "node-a",
    instances: Sequence[int] = (),
) -> str:
    """One ``[[workloads.pods]]`` table; on MIG instances instead of GPUs if there are any."""
    where = f"instances = {list(instances)}" if instances else f"gpus = {list(gpus)}"
    return (
        f'[[workloads.pods]]\nname = "{name}"\nnode = "{node}"\n{where}\n'
        f'from = "{start}"\nto = "{end}"\nsignal = {signal}\n'
    )


def a_workload(*pods: str, name: str = "job", namespace: str = "tenant-a", tenant_id: str = "t-0001") -> str:
    """One ``[[workloads]]`` table with its pods; an empty ``tenant_id`` leaves the claim out."""
    claim = f'tenant_id = "{tenant_id}"\n' if tenant_id else ""
    head = f'[[workloads]]\nnamespace = "{namespace}"\nkind = "PyTorchJob"\nname = "{name}"\n{claim}'
    return head + "".join(pods)


def a_fault(kind: str, start: str, end: str, *, gpus: Sequence[int] = ()) -> str:
    """One ``[[nodes.faults]]`` table."""
    concerned = f"gpus = {list(gpus)}\n" if gpus else ""
    return f'[[nodes.faults]]\nkind = "{kind}"\n{concerned}from = "{start}"\nto = "{end}"\n'


def an_xid(code: int, at: str, *, gpus: Sequence[int] = (0,)) -> str:
    """One ``[[nodes.faults]]`` table: an error that the driver reports of these GPUs."""
    return f'[[nodes.faults]]\nkind = "xid"\ncode = {code}\ngpus = {list(gpus)}\nat = "{at}"\n'


def an_instance(gpu: int, profile: str, start: str = "", end: str = "") -> str:
    """One ``[[nodes.instances]]`` table; there all the time if nothing else is said."""
    times = f'from = "{start}"\nto = "{end}"\n' if start else ""
    return f'[[nodes.instances]]\ngpu = {gpu}\nprofile = "{profile}"\n{times}'


def a_node(*faults: str, name: str = "node-a", product: str = H100, gpus: int = 2, more: str = "") -> str:
    """One ``[[nodes]]`` table with its faults and instances; ``more`` is further TOML, such as ``mig = true``."""
    return f'[[nodes]]\nname = "{name}"\nproduct = "{product}"\ngpus = {gpus}\n{more}\n' + "".join(faults)


def foreign(pci: str = "19e5:d802", *, count: int = 8, kind: str = "1200", more: str = "") -> str:
    """The line of a node that has accelerators which no driver reads; ``more`` is further TOML of their table."""
    return f'foreign = [{{ pci = "{pci}", class = "{kind}", count = {count}{more} }}]'


def a_scenario(folder: Path, *tables: str, duration: str = "2h") -> Path:
    """The file of a scenario made of these tables."""
    head = f'title = "a test"\nstart = 2026-06-01T00:00:00Z\nduration = "{duration}"\n'
    path = folder / "scenario.toml"
    path.write_text(head + "".join(tables), encoding="utf-8")
    return path


def a_script(folder: Path, *tables: str, duration: str = "2h") -> NodeScript:
    """The first node of a scenario made of these tables."""
    return load_scenario(a_scenario(folder, *tables, duration=duration)).nodes[0]


@contextmanager
def a_driver(script: NodeScript, moment: Moment) -> Iterator[Driver]:
    """An open driver that reads this node at this moment, through pynvml."""
    with installed(SimulatedDriver(script, moment)), Driver.open(moment.elapsed_ns) as driver:
        yield driver
