"""What is asked on a node, put together as the settings say: on hardware or a scenario, with Kubernetes or without."""

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from collector.clock import Clock, ScenarioClock, SystemClock
from collector.contract import Provenance, Sample
from collector.devices import NodeDevices
from collector.holders import HolderSource, StaticHolders, UnknownHolders
from collector.nvml import Driver
from collector.once import Source, api_server_source, file_source, has_answered, kubelet_source
from collector.pci import PciGpu, pci_gpus
from collector.processes.port import Check
from collector.readings import Absent, Why
from collector.record import NodeFacts
from collector.settings import Settings
from collector.state.file import Held

if TYPE_CHECKING:  # a node without the check does not load it
    from collector.processes.reality import KnownPods

Samples = Callable[[tuple[str, str]], Iterable[Sample]]
"""Further series of this process, for the first two label values of each."""
Parts = tuple[Clock, HolderSource, Callable[[], tuple[PciGpu, ...] | Absent], Provenance]
"""What differs between hardware and a scenario."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """
    What is asked on this node, for whoever asks.

    ``sources`` tells how those who know the holders answer, given what they said; ``has_heard`` whether each has
    answered yet, or said that it will not. ``known_pods`` are the node's pods, where somebody knows them.
    ``go_on_from`` is told who held what when that was last known.
    """

    facts: NodeFacts
    clock: Clock
    devices: NodeDevices
    holders: HolderSource
    also: Samples
    sources: Callable[[Held], tuple[Source, ...]]
    has_heard: Callable[[], bool] = lambda: True
    known_pods: "Callable[[], KnownPods] | None" = None
    go_on_from: Callable[[Held], None] = lambda _: None


def node_of(settings: Settings, stack: ExitStack) -> Node:
    """
    The node; what has to be stopped with it goes onto the stack, but for the devices.

    Raises HoldersError, ValueError or OSError where the settings cannot be used.
    """
    clock, holders, pci, provenance = _simulated(settings) if settings.simulate else _real(settings)
    devices = NodeDevices(partial(Driver.open, clock.elapsed_ns), clock, pci=pci)
    where = settings.holders_file or settings.simulate
    node = Node(
        facts=NodeFacts(node=settings.node_name(), provenance=provenance, version=version("flopwatch")),
        clock=clock,
        devices=devices,
        holders=holders,
        also=lambda _: (),
        sources=lambda held: (file_source(where, held, here=[each.gpu_uuid for each in devices.identities()]),),
    )
    return _with_kubernetes(node, settings, stack) if settings.kubelet_socket else node


def _with_kubernetes(node: Node, settings: Settings, stack: ExitStack) -> Node:
    # Imported here: a node without Kubernetes does not carry its clients, which are half of the memory.
    from collector.cluster import KubernetesHolders
    from collector.holding import RESOURCES
    from collector.kubelet.client import Kubelet
    from collector.pods.apiserver import Access, ApiServer
    from collector.pods.claims import adapters_named
    from collector.pods.site_key import read_site_key
    from collector.pods.watch import NodePods

    access = Access(
        server=settings.api_server,
        kubeconfig=Path(settings.kubeconfig) if settings.kubeconfig else None,
        token_file=Path(settings.api_token_file),
        ca_file=Path(settings.api_ca_file),
    )
    site_key = read_site_key(Path(settings.site_key_file)) if settings.site_key_file else Absent(Why.NO_SITE_KEY)
    adapters = adapters_named(_names(settings.tenant_adapters))
    kubelet = stack.enter_context(Kubelet(Path(settings.kubelet_socket)))
    pods = NodePods(
        ApiServer(access),
        node=settings.node_name(),
        adapters=adapters,
        site_key=site_key,
        clock=node.clock,
        resources=RESOURCES,
    )
    pods.start()
    stack.callback(pods.stop)
    servers_in = frozenset(_names(settings.mps_namespaces))
    found = KubernetesHolders(kubelet, pods, devices=node.devices, clock=node.clock, servers_in=servers_in)
    node.devices.count_also(found.beyond_bus)
    return replace(
        node,
        holders=found,
        also=found.samples,
        sources=lambda _: (kubelet_source(kubelet.problem), api_server_source(pods.pods())),
        has_heard=lambda: has_answered(pods.pods()),
        known_pods=found.known_pods,
        go_on_from=found.go_on_from,
    )


def _names(setting: str) -> list[str]:
    """The names in a setting with commas between them."""
    return [name.strip() for name in setting.split(",")]


def process_check_of(settings: Settings, node: Node) -> Check | None:
    """The check on the processes, if it is asked for."""
    if settings.process_check != "on":
        return None
    # Imported here: without the check nothing that sees process ids is loaded.
    from collector.nvml.processes import NvmlProcesses
    from collector.processes.check import ProcessCheck
    from collector.processes.look import ProcessLook
    from collector.processes.reality import NO_MORE

    lists = NvmlProcesses(node.devices.whole_cards, node.devices.errors)
    look = ProcessLook(lists, proc=Path(settings.proc_path))
    return ProcessCheck(look, pods=node.known_pods or (lambda: NO_MORE))


def _real(settings: Settings) -> Parts:
    source = StaticHolders(Path(settings.holders_file)) if settings.holders_file else UnknownHolders()
    clock, on_bus = SystemClock(Path(settings.boot_id_file)), partial(pci_gpus, Path(settings.sysfs_root))
    return clock, source, on_bus, Provenance.MEASURED


def _simulated(settings: Settings) -> Parts:
    # Imported here: a node with GPUs never loads the simulated driver.
    from collector.simulated.driver import SimulatedDriver, install
    from collector.simulated.playback import ScriptedHolders
    from collector.simulated.scenario import load_scenario
    from collector.simulated.sysfs import simulated_pci_gpus

    scenario = load_scenario(Path(settings.simulate))
    clock = ScenarioClock(
        scenario_start=scenario.start.timestamp(),
        begins_at=settings.begins_at or time.time(),
        speed=settings.speed,
        boot_id=Path(settings.boot_id_file),
    )
    script = scenario.node(settings.node_name())
    if settings.process_check == "on" and script.processes is None:
        raise ValueError(f"--process-check: {scenario.file} names no processes for {script.node_name}; leave it off")
    install(SimulatedDriver(script, clock.seconds_in))
    pci = simulated_pci_gpus(script)
    return clock, ScriptedHolders(script, clock.seconds_in), lambda: pci, Provenance.SIMULATED
