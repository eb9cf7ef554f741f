"""Serving: tick, answer, and heed signals until one of them says to stop."""

import gc
import logging
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from itertools import chain
from pathlib import Path

from collector import signals
from collector.command.ending import CANNOT_SERVE, UNUSABLE_SETTINGS, refuse
from collector.command.node import node_of, process_check_of
from collector.contract import DETAIL
from collector.devices import NodeDevices
from collector.holders import HoldersError
from collector.loop import Collector
from collector.own_process import own_process_samples
from collector.record import NodeFacts, Timing
from collector.server import NotLoopback, Server, make_server
from collector.settings import Settings
from collector.signals import RELEASE, SIGNALS, STOP_SIGNALS, TAKE_BACK
from collector.state.file import StateFile
from collector.state.keeper import Keeper
from collector.tls import Tls, TlsFiles, UnusableTls

LOOK_SECONDS = 1.0  # how often to see whether the loop still lives while no signal comes
GRACE_SECONDS = 5.0  # for the tick under way; one that hangs in the driver cannot be interrupted


def serve_until_told(settings: Settings) -> int:
    """Serve; the exit code for how it ended."""
    signals.block()  # mostly they are already, see collector/__main__.py
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s %(message)s")
    with ExitStack() as stack:
        try:
            (collector, devices), token, tls = _collector(settings, stack), settings.token(), _tls(settings)
        except (HoldersError, UnusableTls, ValueError, OSError) as error:
            return refuse(error, UNUSABLE_SETTINGS)
        host, port = settings.listen_host, settings.listen_port
        try:
            server = make_server(collector, host=host, port=port, bearer_token=token, tls=tls)
        except NotLoopback as error:
            return refuse(error, UNUSABLE_SETTINGS)
        except OSError as error:
            problem = f"cannot listen on {host}:{port} ({error}); choose another --listen-host or --listen-port"
            return refuse(problem, CANNOT_SERVE)
        with server:
            return _serve(collector, server, partial(_heed, devices, settings.release_seconds))


def _collector(settings: Settings, stack: ExitStack) -> tuple[Collector, NodeDevices]:
    """The collector and its devices; what has to be stopped with them goes onto the stack."""
    node = node_of(settings, stack)
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
        check=process_check_of(settings, node),
    )
    node.go_on_from(collector.last_known)
    return collector, node.devices


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
    return 0 if told_to_stop else refuse("the loop broke down, see above; restart it", CANNOT_SERVE)


def _heed(devices: NodeDevices, release_seconds: float, number: int) -> None:
    """Let go of the driver, or take it back, if that is what the signal asks for."""
    if number == RELEASE:
        devices.release(release_seconds)
    elif number == TAKE_BACK:
        devices.take_back()
