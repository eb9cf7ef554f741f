"""What befalls a node: after each of it the balance sheet comes out, and who holds what is right again by itself."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cluster.machine import NotStarted
from cluster.node import NODE
from cluster.site import GPUS, NAMESPACE, SOON_SECONDS, Site, wait

from collector.contract import gpu_metrics, holder_metrics, node_metrics

ACCOUNT = "flopwatch-collector"
BACK_SECONDS = 120.0
"""Until the API server is reached again: kube-proxy waits for up to half a minute before it asks, and so do others."""


@contextmanager
def holding(site: Site, namespace: str, name: str, gpus: int) -> Iterator[dict[str, int]]:
    """A pod that holds so many GPUs throughout, and holds them still at the end; the books balance."""
    held = site.hold(namespace, name, gpus)
    yield held
    wait("it holds again", lambda: site.counts() == held, seconds=20, told=lambda: str(site.counts()))
    assert site.balance() == (0, 0)
    site.gone(name, namespace=namespace)


def test_a_killed_collector_goes_on(site: Site) -> None:
    """Its counters go on where they were saved, and the time without it is lost."""
    with holding(site, "alpha", "long", 2):
        wait("the state has it", lambda: _held(site, "long") > 5, seconds=40)
        before, lost = _held(site, "long"), _lost(site)
        site.node.machine.run("kill", "-9", str(site.collector_process(inside=True)))
        wait("it serves again, and has gone on", lambda: _held(site, "long") > before, seconds=60)
        wait("the time without it is lost", lambda: _lost(site) > lost)


def test_a_rolling_update_goes_on_too(site: Site) -> None:
    """Another pod of the DaemonSet finds the state of the one before it."""
    with holding(site, "alpha", "through", 3):
        wait("the state has it", lambda: _held(site, "through") > 5, seconds=40)
        was, before, lost = site.collector_pod(), _held(site, "through"), _lost(site)
        site.configure()
        now = site.collector_pod()
        assert was is not None
        assert now is not None
        assert was["metadata"]["uid"] != now["metadata"]["uid"]
        wait("it has gone on", lambda: _held(site, "through") > before, seconds=60)
        assert site.total(node_metrics.STATE_FOUND, found="loaded") == 1
        wait("the time between is lost", lambda: _lost(site) > lost)


def test_a_kubelet_that_restarts_loses_nobody(site: Site) -> None:
    """While it is away, and when it is back, the pod holds what it holds."""
    with holding(site, "beta", "steady", 3) as held:
        site.node.parts["kubelet"].stop()
        time.sleep(3)
        assert site.counts() == held
        site.node.start_kubelet()
        end = time.monotonic() + 12
        while time.monotonic() < end:
            assert site.counts() == held
            time.sleep(1)


def test_while_the_api_server_is_away_metering_goes_on(site: Site, figures: dict[str, float]) -> None:
    """For a minute: who is known stays. The version that the watch would go on from has expired then: it lists anew."""
    with holding(site, "gamma", "known", 2) as held:
        wait("the state has it", lambda: _held(site, "known") > 0, seconds=40)
        expired = site.total(node_metrics.API_WATCH_RESTARTS, reason="expired")
        before, began = _held(site, "known"), time.monotonic()
        site.node.plane.parts["kube-apiserver"].stop(signal.SIGKILL)
        try:
            wait("it says so", lambda: site.total(node_metrics.PODS_STALE) == 1)
            while time.monotonic() - began < 60:
                assert site.counts() == held
                time.sleep(2)
            metered = _held(site, "known") - before
            assert metered > 2 * 40, metered
        finally:
            site.node.plane.start_api_server()
        figures["API server back to pods heard, s"] = wait(
            "it hears again", lambda: site.total(node_metrics.PODS_STALE) == 0, seconds=BACK_SECONDS
        )
        assert site.total(node_metrics.API_WATCH_RESTARTS, reason="expired") > expired


def test_a_token_that_is_rotated_is_read_anew(site: Site) -> None:
    """One that is good no longer makes the pods stale; the one that the kubelet puts in its place mends it."""
    kubectl, plane = site.node.plane.kubectl, site.node.plane
    path, was = site.token_path(), site.collector_token()
    with holding(site, "beta", "served", 1) as held:
        site.node.parts["kubelet"].stop()  # it would mend the token by itself within a minute or so
        kubectl("create", "secret", "generic", "passing", "-n", NAMESPACE)
        bound = ("--bound-object-kind=Secret", "--bound-object-name=passing")
        _put(site, path, kubectl("create", "token", ACCOUNT, "-n", NAMESPACE, *bound))
        kubectl("delete", "secret", "passing", "-n", NAMESPACE)
        plane.parts["kube-apiserver"].stop(signal.SIGKILL)
        plane.start_api_server()
        wait(
            "it is refused",
            lambda: site.total(node_metrics.PODS_STALE, reason="unauthorized") == 1,
            seconds=BACK_SECONDS,
            told=lambda: str(_stale(site)),
        )
        assert site.counts() == held
        site.node.start_kubelet()
        wait("it hears again", lambda: site.total(node_metrics.PODS_STALE) == 0, seconds=BACK_SECONDS)
        assert site.collector_token() != was


def test_a_drained_node_holds_nothing_and_is_watched_on(site: Site) -> None:
    """The tenants' pods are evicted; the collector's stays."""
    kubectl = site.node.plane.kubectl
    collector = site.collector_pod()
    site.hold("alpha", "moved", 4)
    kubectl("drain", NODE, "--ignore-daemonsets", "--force", "--delete-emptydir-data", "--timeout=60s")
    try:
        wait("nothing is held", lambda: not site.held(), seconds=SOON_SECONDS, told=lambda: str(site.counts()))
        assert not site.pods()
        assert (site.collector_pod() or {})["metadata"]["uid"] == (collector or {})["metadata"]["uid"]
        assert site.balance() == (0, 0)
    finally:
        kubectl("uncordon", NODE)


def test_a_node_that_is_booted_goes_on(site: Site, figures: dict[str, float]) -> None:
    """
    All containers end at once and the kubelet starts them again: the same pod holds as many devices as before.

    As far as it can be played: the kernel goes on, and another boot is told by a file.
    """
    site.deploy("beta", "resident", 2)
    wait("it runs", lambda: len(site.pods("Running")) == 1, seconds=60)
    wait("it holds", lambda: list(site.counts().values()) == [2], seconds=SOON_SECONDS)
    before = site.held()
    saved = [who.split("/")[1] for who in before]
    wait("the state has it", lambda: all(_held(site, pod) > 0 for pod in saved), seconds=20)
    lost, began = _lost(site), time.monotonic()
    site.node.power_off()
    site.boot("the second")
    site.node.start_containerd()
    site.node.start_kubelet()
    wait("the collector is back", lambda: site.page() and _lost(site) > lost, seconds=120, told=site.told)
    figures["node booted to collector back, s"] = time.monotonic() - began
    wait("it holds as before", lambda: site.counts() == dict.fromkeys(before, 2), seconds=60, told=site.told)
    wait("the node offers its GPUs", lambda: site.offered() == GPUS, seconds=60)
    assert site.total(node_metrics.STATE_FOUND, found="loaded") == 1
    assert site.balance() == (0, 0)
    site.node.plane.kubectl("delete", "-n", "beta", "deployment", "resident", "--wait=true")
    wait("the pods are gone", lambda: not site.pods(), seconds=60)
    wait("nothing is held", lambda: not site.held(), seconds=SOON_SECONDS, told=lambda: str(site.counts()))


def _held(site: Site, pod: str) -> float:
    return site.total(holder_metrics.HELD, workload_pod=pod)


def _lost(site: Site) -> float:
    return site.total(gpu_metrics.GPU_SECONDS, state="lost", reason="collector_down")


def _stale(site: Site) -> list[dict[str, str]]:
    return [each.labels for each in site.page() if each.name == node_metrics.PODS_STALE.name]


def _put(site: Site, path: str, token: str) -> None:
    """Put a token in the place of the one that a pod has, in one step, as the kubelet does."""
    site.node.machine.run("sh", "-c", f"umask 077; cat > {path}.new && mv {path}.new {path}", text=token)
    if site.node.machine.run("cat", path) != token:
        raise NotStarted(f"{path} has another token than was put there")
