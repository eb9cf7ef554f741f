"""The collector's command: put the parts together; tick, serve and stop on a signal, or look once and end."""

import gc
import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from io import TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from collector import signals
from collector.clock import Clock, ScenarioClock, SystemClock
from collector.contract import DETAIL, Provenance, Sample
from collector.devices import NodeDevices, Survey
from collector.hanging import Hangs, TickWatch, unless_it_hangs
from collector.holders import HoldersError, HolderSource, StaticHolders, UnknownHolders
from collector.loop import Collector
from collector.nvml import Driver
from collector.once import (
    Look,
    Source,
    api_server_source,
    check_source,
    driver_source,
    file_source,
    has_answered,
    kubelet_source,
    plain_look,
    rows_of,
)
from collector.own_process import own_process_samples
from collector.pci import PciGpu, pci_gpus
from collector.processes.port import Check, Checked
from collector.readings import Absent, Why
from collector.record import NodeFacts, Timing
from collector.server import NotLoopback, Server, make_server
from collector.settings import Settings, read_settings
from collector.signals import RELEASE, SIGNALS, STOP_SIGNALS, TAKE_BACK
from collector.state.file import Held, StateFile
from collector.state.keeper import Keeper
from collector.table import text_of
from collector.tls import Tls, TlsFiles, UnusableTls

if TYPE_CHECKING:  # a node without the check does not load it
    from collector.processes.reality import KnownPods

CANNOT_SERVE = 1
UNUSABLE_SETTINGS = 2
NOT_ALL_READ = 3
PATIENCE_SECONDS = 5.0  # a guess: with --once, for those who know the holders to answer at all
POLL_SECONDS = 0.05
OTHERS_END_IT = (signal.SIGINT, signal.SIGPIPE)  # one look ends without a traceback: at Ctrl-C, in `… | head`
LOOK_SECONDS = 1.0  # how often to see whether the loop still lives while no signal comes
GRACE_SECONDS = 5.0  # for the tick under way; one that hangs in the driver cannot be interrupted


Samples = Callable[[tuple[str, str]], Iterable[Sample]]
"""Further series of this process, for the first two label values of each."""
Parts = tuple[Clock, HolderSource, Callable[[], tuple[PciGpu, ...] | Absent], Provenance]
"""What differs between hardware and a scenario."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit code that ``--help`` lists."""
    settings = read_settings(sys.argv[1:] if arguments is None else arguments)
    return _look_once(settings) if settings.once else _serve_until_told(settings)


def _look_once(settings: Settings) -> int:
    """Print what two readings, one interval apart, say; with the exit code for whether all could be read."""
    for number in OTHERS_END_IT:
        signal.signal(number, signal.SIG_DFL)
    signals.unblock()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no ellipsis shows a question mark
    logging.basicConfig(level=logging.ERROR)  # what is wrong is in what is printed
    with ExitStack() as stack:
        try:
            node = _node(settings, stack)
        except (HoldersError, ValueError, OSError) as error:
            return _refuse(error, UNUSABLE_SETTINGS)
        check = _process_check(settings, node)
        watch = TickWatch(node.clock, limit_seconds=settings.hang_seconds, asking=lambda: node.devices.asking)
        try:
            look = unless_it_hangs(watch, partial(_look, node, watch, settings.interval_seconds, check))
        except Hangs as error:
            problem = f"{error} has not answered for {settings.hang_seconds:g} s; see what the kernel says (dmesg)"
            return _refuse(problem, NOT_ALL_READ)
    print(json.dumps(plain_look(look), indent=2) if settings.format == "json" else text_of(look), flush=True)
    return 0 if look.every_gpu_was_read else NOT_ALL_READ


def _look(node: _Node, watch: TickWatch, interval_seconds: float, check: Check | None) -> Look:
    """What two readings, one interval apart, say, and what the check on the second one comes to, if there is one."""
    with watch:
        first = watch.during("driver", node.devices.survey)
        _held_against(check, watch, first, Absent(Why.NO_DATA))  # shares of use are told since the look before
    time.sleep(node.clock.real_seconds(interval_seconds))
    _wait_until(node.has_heard)
    with watch:
        survey = watch.during("driver", node.devices.survey)
        held = watch.during("holders", node.holders.holders)
        checked = _held_against(check, watch, survey, held)
        watch.during("driver", node.devices.close)
    return Look(
        node=node.facts.node,
        provenance=node.facts.provenance,
        every_gpu_was_read=survey.complete,
        gpus=rows_of(survey, held, checked),
        sources=(driver_source(survey), *node.sources(held), *(() if checked is None else (check_source(checked),))),
    )


def _held_against(check: Check | None, watch: TickWatch, survey: Survey, held: Held) -> Checked | None:
    """What the claims come to against the processes, if there is a check."""
    return None if check is None else watch.during("processes", lambda: check.look(survey.readings, held))


def _wait_until(is_true: Callable[[], bool]) -> None:
    """Until it is, or patience is at an end."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while not is_true() and time.monotonic() < ends:
        time.sleep(POLL_SECONDS)


def _serve_until_told(settings: Settings) -> int:
    signals.block()  # mostly they are already, see collector/__main__.py
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    with ExitStack() as stack:
        try:
            (collector, devices), token, tls = _collector(settings, stack), settings.token(), _tls(settings)
        except (HoldersError, UnusableTls, ValueError, OSError) as error:
            return _refuse(error, UNUSABLE_SETTINGS)
        host, port = settings.listen_host, settings.listen_port
        try:
            server = make_server(collector, host=host, port=port, bearer_token=token, tls=tls)
        except NotLoopback as error:
            return _refuse(error, UNUSABLE_SETTINGS)
        except OSError as error:
            problem = f"cannot listen on {host}:{port} ({error}); choose another --listen-host or --listen-port"
            return _refuse(problem, CANNOT_SERVE)
        with server:
            return _serve(collector, server, partial(_heed, devices, settings.release_seconds))


def _collector(settings: Settings, stack: ExitStack) -> tuple[Collector, NodeDevices]:
    """The collector and its devices; what has to be stopped with them goes onto the stack."""
    node = _node(settings, stack)
    collector = Collector(
        facts=node.facts,
        devices=node.devices,
        holders=node.holders,
        also=lambda where: chain(own_process_samples(where), node.also(where)),
        clock=node.clock,
        timing=Timing(
            interval_seconds=settings.interval_seconds,
            max_gap_seconds=settings.max_gap_seconds,
            retention_seconds=settings.retention_seconds,
            hang_seconds=settings.hang_seconds,
        ),
        keeper=_keeper(settings, node.facts),
        left_out=DETAIL if settings.metrics == "minimal" else frozenset(),
        check=_process_check(settings, node),
    )
    node.go_on_from(collector.last_known)
    return collector, node.devices


def _node(settings: Settings, stack: ExitStack) -> _Node:
    clock, holders, pci, provenance = _simulated(settings) if settings.simulate else _real(settings)
    devices = NodeDevices(partial(Driver.open, clock.elapsed_ns), clock, pci=pci)
    where = settings.holders_file or settings.simulate
    node = _Node(
        facts=NodeFacts(node=settings.node_name(), provenance=provenance, version=version("flopwatch")),
        clock=clock,
        devices=devices,
        holders=holders,
        also=lambda _: (),
        sources=lambda held: (file_source(where, held, here=[each.gpu_uuid for each in devices.identities()]),),
    )
    return _with_kubernetes(node, settings, stack) if settings.kubelet_socket else node


def _with_kubernetes(node: _Node, settings: Settings, stack: ExitStack) -> _Node:
    # Imported here: a node without Kubernetes does not carry its clients, which are half of the memory.
    from collector.cluster import KubernetesHolders
    from collector.kubelet.client import Kubelet
    from collector.kubelet.ids import DEFAULT_NAMING
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
        resources=DEFAULT_NAMING.resources,
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


def _process_check(settings: Settings, node: _Node) -> Check | None:
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


def _tls(settings: Settings) -> Tls | None:
    if not settings.tls_cert_file:
        return None
    client_ca = Path(settings.tls_client_ca_file) if settings.tls_client_ca_file else None
    return Tls(TlsFiles(certificate=Path(settings.tls_cert_file), key=Path(settings.tls_key_file), client_ca=client_ca))


def _keeper(settings: Settings, facts: NodeFacts) -> Keeper | None:
    if not settings.state_file:
        return None
    file = StateFile(Path(settings.state_file), node=facts.node, provenance=facts.provenance)
    return Keeper(file, interval_seconds=settings.state_interval_seconds)


def _real(settings: Settings) -> Parts:
    source = StaticHolders(Path(settings.holders_file)) if settings.holders_file else UnknownHolders()
    return SystemClock(), source, partial(pci_gpus, Path(settings.sysfs_root)), Provenance.MEASURED


def _simulated(settings: Settings) -> Parts:
    # Imported here: a node with GPUs never loads the simulated driver.
    from collector.simulated.driver import SimulatedDriver, install
    from collector.simulated.playback import ScriptedHolders
    from collector.simulated.scenario import load_scenario
    from collector.simulated.sysfs import simulated_pci_gpus

    scenario = load_scenario(Path(settings.simulate))
    clock = ScenarioClock(
        scenario_start=scenario.start.timestamp(), begins_at=settings.begins_at or time.time(), speed=settings.speed
    )
    script = scenario.node(settings.node_name())
    install(SimulatedDriver(script, clock.seconds_in))
    pci = simulated_pci_gpus(script)
    return clock, ScriptedHolders(script, clock.seconds_in), lambda: pci, Provenance.SIMULATED


def _serve(collector: Collector, server: Server, heed: Callable[[int], None]) -> int:
    """
    Tick and serve until a signal says to stop; ``heed`` is given any other.

    A loop that broke down is not served any longer: its page would be stale.
    """
    gc.freeze()  # what was imported stays: it need not be gone through again and again
    stop = threading.Event()
    ticking = threading.Thread(target=collector.run, args=(stop,), name="ticks", daemon=True)
    ticking.start()
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    print(f"serving {server.url}/metrics", flush=True)
    number = 0
    while ticking.is_alive() and number not in STOP_SIGNALS:
        came = signal.sigtimedwait(SIGNALS, LOOK_SECONDS)
        number = came.si_signo if came else 0
        heed(number)
        collector.tell_if_hanging()
    stop.set()
    server.shutdown()
    ticking.join(GRACE_SECONDS)
    told_to_stop = number in STOP_SIGNALS
    return 0 if told_to_stop else _refuse("the loop broke down, see above; restart it", CANNOT_SERVE)


def _heed(devices: NodeDevices, release_seconds: float, number: int) -> None:
    """Let go of the driver, or take it back, if that is what the signal asks for."""
    if number == RELEASE:
        devices.release(release_seconds)
    elif number == TAKE_BACK:
        devices.take_back()


def _refuse(problem: object, code: int) -> int:
    print(f"flopwatch-collector: {problem}", file=sys.stderr)
    return code
