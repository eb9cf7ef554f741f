"""A node's pods, watched at a server of :mod:`support.api_server`, at a pace for tests."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.api_server import CA_FILE, TOKEN, ApiServerDouble
from support.http import until

from collector.clock import Clock, SystemClock
from collector.holding import RESOURCES
from collector.pods.apiserver import Access, ApiServer
from collector.pods.claims import DEFAULT_ADAPTERS, adapters_named
from collector.pods.facts import PodFacts
from collector.pods.pace import Pace
from collector.pods.watch import NodePods
from collector.readings import Absent, Why

NODE = "node-a"
QUICK = Pace(first_wait=0.01, longest_wait=0.05, silence=20.0)


def a_token_file(folder: Path, token: str = TOKEN) -> Path:
    """The service account's token, as the kubelet mounts it."""
    path = folder / "token"
    path.write_text(token, encoding="utf-8")
    return path


@contextmanager
def watching(
    server: ApiServerDouble,
    folder: Path,
    *,
    pace: Pace = QUICK,
    clock: Clock | None = None,
    adapters: Sequence[str] = DEFAULT_ADAPTERS,
    ca_file: Path = CA_FILE,
    token_file: Path | None = None,
) -> Iterator[NodePods]:
    """The pods of node-a while they are watched; the thread has ended after it."""
    access = Access(server=server.url, token_file=token_file or a_token_file(folder), ca_file=ca_file)
    pods = NodePods(
        ApiServer(access),
        node=NODE,
        adapters=adapters_named(adapters),
        site_key=Absent(Why.NO_SITE_KEY),
        clock=clock or SystemClock(),
        pace=pace,
        resources=RESOURCES,
    )
    pods.start()
    try:
        yield pods
    finally:
        pods.stop()


def synced(pods: NodePods) -> None:
    """Wait until the view is up to date."""
    until(lambda: pods.pods().synced, "the pods are synced")


def stale_for(pods: NodePods, reason: str) -> None:
    """Wait until the view is stale for this reason."""
    until(lambda: (stale := pods.pods().stale) is not None and stale.reason == reason, f"the pods are stale: {reason}")


def restarted_for(pods: NodePods, reason: str, times: int = 1) -> None:
    """Wait until the watch was opened anew for this reason so many times, and is up to date again."""
    until(lambda: pods.counters().watch_restarts[reason] >= times, f"the watch begins anew: {reason}")
    synced(pods)


def watched_anew(server: ApiServerDouble, times: int = 2) -> None:
    """Wait until the server was asked for so many watches."""
    until(lambda: server.count("watch") >= times, f"there were {times} watches")


def there(pods: NodePods, name: str, namespace: str = "tenant-a") -> PodFacts:
    """The pod, as soon as it is known."""
    until(lambda: (namespace, name) in pods.pods().pods, f"{namespace}/{name} is known")
    return pods.pods().pods[namespace, name]
