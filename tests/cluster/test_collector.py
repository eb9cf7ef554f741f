"""The collector's image as the DaemonSet's pod on a real kubelet: who holds which GPU, and until when."""

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster.control_plane import SERVICE_ADDRESS
from cluster.images import ROOT
from cluster.machine import NotStarted
from cluster.node import NODE, Node
from cluster.site import GPUS, NAMESPACE, Site, a_container, pod_spec, wait

from collector.contract import Metric, gpu_metrics, holder_metrics, node_metrics
from collector.simulated.scenario import load_scenario

SOON_SECONDS = 3.0 + 10.0
"""How long a page may take to say who holds what: it has what was last saved, at most ten seconds ago."""


@pytest.fixture(scope="module")
def site(node: Node, figures: dict[str, float]) -> Iterator[Site]:
    """The demo overlay on the node, and a device plugin that offers the simulated driver's GPUs."""
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(dir=node.machine.folder))
    site = Site(node=node, folder=folder)
    site.install()
    figures["image and DaemonSet"] = time.monotonic() - began
    site.start_plugin(*uuids(site))
    wait("the node offers its GPUs", lambda: site.offered() == GPUS)
    for name in ("alpha", "beta", "gamma"):
        site.tenant(name)
    yield site
    if site.plugin is not None:
        site.plugin.stop()


def uuids(site: Site) -> list[str]:
    """The GPUs of the node."""
    return [each.gpu_uuid for each in load_scenario(site.folder / "scenario.toml").node(NODE).gpus]


def counts(site: Site) -> dict[str, int]:
    """How many devices each container holds now."""
    return {who: len(devices) for who, devices in site.held().items()}


def test_its_pod_is_restricted_as_the_manifest_says(site: Site) -> None:
    """User 0 without a capability, with a read-only root and no token but its own; it reads every GPU."""
    pod = site.collector_pod(ready=True)
    assert pod is not None
    status = (Path(f"/proc/{_pid_of(site)}") / "status").read_text(encoding="ascii")
    told = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert {name: int(told[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == dict.fromkeys(
        ("CapEff", "CapPrm", "CapBnd"), 0
    )
    assert (told["NoNewPrivs"], told["Seccomp"], told["Uid"].split()[0]) == ("1", "2", "0")
    assert (_total(site, gpu_metrics.GPUS), _total(site, gpu_metrics.GPU_RESIDUAL)) == (GPUS, 0)


def test_the_api_server_accepts_the_whole_base(site: Site) -> None:
    """Nodes and centre, by schema and by the Pod Security level that each namespace states; without a warning."""
    kubectl = site.node.plane.kubectl
    kubectl("apply", "-f", str(ROOT / "k8s" / "base" / "centre" / "namespace.yaml"))
    for overlay in ("base", "overlays/process-check"):
        rendered = kubectl("kustomize", str(ROOT / "k8s" / overlay))
        kubectl("apply", "--dry-run=server", "--validate=strict", "--warnings-as-errors", "-f", "-", text=rendered)


def test_every_device_is_its_pods_and_nobody_elses(site: Site, figures: dict[str, float]) -> None:
    """A bare pod, a Job and a Deployment in three namespaces hold 1, 2 and 4 GPUs, and let go of them, in time."""
    kubectl = site.node.plane.kubectl
    site.run_pod("alpha", "bare", 1)
    job = {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "train"},
        "spec": {"backoffLimit": 0, "template": {"spec": pod_spec(2)}},
    }  # fmt: skip
    kubectl("apply", "-n", "beta", "-f", "-", text=json.dumps(job))
    labels = {"app": "serve"}
    deployment = {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "serve"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod_spec(4, restartPolicy="Always")},
        },
    }  # fmt: skip
    kubectl("apply", "-n", "gamma", "-f", "-", text=json.dumps(deployment))
    wait("three pods run", lambda: _running(site) == 3, seconds=60)
    figures["pods run to devices held"] = wait(
        "all is held", lambda: sorted(counts(site).values()) == [1, 2, 4], seconds=SOON_SECONDS
    )
    held = site.held()
    assert sorted(each for devices in held.values() for each in devices) == sorted(_given(site)), "each once"
    asked = ("workload_namespace", "workload_kind", "workload_name", "tenant_id")
    infos = [each.labels for each in site.page() if each.name == holder_metrics.HOLDER_INFO.name]
    workloads = {tuple(labels[name] for name in asked) for labels in infos}
    assert {
        ("alpha", "Pod", "bare", "t-alpha"),
        ("beta", "Job", "train", "t-beta"),
        ("gamma", "Deployment", "serve", "t-gamma"),
    } <= workloads
    kubectl("delete", "-n", "alpha", "pod", "bare", "--wait=true")
    kubectl("delete", "-n", "beta", "job", "train", "--wait=true")
    kubectl("delete", "-n", "gamma", "deployment", "serve", "--wait=true")
    wait("the pods are gone", lambda: _running(site) == 0)
    figures["pods gone to devices free"] = wait(
        "nothing is held", lambda: not site.held(), seconds=SOON_SECONDS, told=lambda: str(counts(site))
    )


def test_a_pod_that_has_finished_holds_nothing(site: Site) -> None:
    """Its claim is in the kubelet's list for as long as the pod is not deleted; the API server says that it is over."""
    site.run_pod("alpha", "short", 2, command="sleep 20")
    wait("it runs", lambda: counts(site) == {"alpha/short/main": 2}, seconds=19, told=lambda: str(counts(site)))
    phase = ("get", "-n", "alpha", "pod", "short", "-o", "jsonpath={.status.phase}")
    wait("it has finished", lambda: site.node.plane.kubectl(*phase) == "Succeeded", seconds=40)
    wait("it holds nothing", lambda: not site.held(), seconds=SOON_SECONDS, told=lambda: str(counts(site)))
    site.node.plane.kubectl("delete", "-n", "alpha", "pod", "short")


def test_an_init_containers_devices_are_its_pods_or_in_doubt(site: Site) -> None:
    """
    The kubelet lists a pod's devices under its main container from the start, and no more than that one asks for.

    So as many are the pod's while its init container runs; where that asks for more, any free GPU may be its.
    """
    for name, asked, while_it_runs in (
        ("as-many", 1, {"alpha/as-many/main": 1}),
        ("more", 3, {"alpha/more/main": 1, "alpha/more/warm-up": GPUS - 1}),
    ):
        site.run_pod("alpha", name, 1, initContainers=[a_container("warm-up", asked, "sleep 20")])
        wait(
            "it is known so",
            lambda found=while_it_runs: counts(site) == found,
            seconds=19,
            told=lambda: str(counts(site)),
        )
        wait("main runs", lambda: _running(site) == 1, seconds=40)
        only = {f"alpha/{name}/main": 1}
        wait(
            "one is held",
            lambda found=only: counts(site) == found,
            seconds=SOON_SECONDS,
            told=lambda: str(counts(site)),
        )
        site.node.plane.kubectl("delete", "-n", "alpha", "pod", name, "--wait=true")
        wait("nothing is held", lambda: not site.held(), seconds=SOON_SECONDS, told=lambda: str(counts(site)))


def test_what_its_token_may_and_may_not(site: Site) -> None:
    """All that the collector asks is allowed to its account, and nothing else is."""
    who = f"--as=system:serviceaccount:{NAMESPACE}:flopwatch-collector"

    def may(*what: str) -> bool:
        verb, (resource, _, below), *more = what[0], what[1].partition("/"), *what[2:]
        more += [f"--subresource={below}"] if below else []
        try:
            return site.node.plane.kubectl("auth", "can-i", who, verb, resource, *more).strip() == "yes"
        except NotStarted:
            return False

    assert all(may(verb, "pods", "-A") for verb in ("get", "list", "watch"))
    assert may("get", "namespaces")
    refused = [
        *((verb, "pods") for verb in ("create", "update", "patch", "delete", "deletecollection")),
        *((verb, "namespaces") for verb in ("list", "watch", "create", "update", "patch", "delete")),
        *((verb, what) for what in ("secrets", "configmaps", "nodes") for verb in ("get", "list", "watch", "create")),
        ("get", "nodes/proxy"), ("create", "nodes/proxy"), ("get", "pods/log"), ("create", "pods/exec"),
        ("create", "pods/attach"), ("create", "pods/portforward"), ("create", "serviceaccounts/token"),
        ("impersonate", "users"), ("escalate", "clusterroles"), ("bind", "clusterroles"), ("get", "nodes/metrics"),
        ("create", "tokenreviews"), ("list", "events"), ("patch", "daemonsets"),
    ]  # fmt: skip
    assert len(refused) >= 30
    assert [what for what in refused if may(*what, "-A")] == []


def test_pods_on_one_gpu_share_it(site: Site) -> None:
    """A device plugin that comes back with replicas of one GPU: two pods hold it, and its time is ambiguous."""
    (shared, *_) = uuids(site)
    site.start_plugin(f"{shared}::0", f"{shared}::1")
    wait("the node offers replicas", lambda: site.offered() == 2)
    for name in ("one", "two"):
        site.run_pod("alpha", name, 1)
    both = {f"alpha/{name}/main": [shared] for name in ("one", "two")}
    wait("both hold it", lambda: site.held() == both, seconds=30, told=lambda: str(site.held()))
    wait("it is ambiguous", lambda: _total(site, gpu_metrics.GPU_SECONDS, state="ambiguous", reason="shared") > 0)
    site.node.plane.kubectl("delete", "-n", "alpha", "pod", "one", "two", "--wait=true")
    site.start_plugin(*uuids(site)[1:], f"{shared} unhealthy")
    wait("the node offers the healthy ones", lambda: site.offered() == GPUS - 1)
    site.start_plugin(*uuids(site))
    wait("the node offers them all", lambda: site.offered() == GPUS)
    wait("nothing is held", lambda: not site.held(), seconds=SOON_SECONDS, told=lambda: str(counts(site)))


def test_a_tenant_cannot_say_whose_a_namespace_is(site: Site) -> None:
    """With the policy of k8s/policies who may make namespaces may not label them, and whoever may label may."""
    kubectl = site.node.plane.kubectl
    kubectl("apply", "-f", str(ROOT / "k8s" / "policies" / "tenant-label.yaml"))
    kubectl("create", "clusterrole", "namespaces", "--verb=create,get,update,patch", "--resource=namespaces")
    kubectl("create", "clusterrolebinding", "namespaces", "--clusterrole=namespaces", "--user=tenant")

    def made(name: str, *of: str, label: bool = True) -> str:
        labels = {"flopwatch.io/tenant-id": "t-other"} if label else {}
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        try:
            return kubectl(*of, "create", "--dry-run=server", "-f", "-", text=json.dumps(space))
        except NotStarted as error:
            return str(error)

    wait("the policy is in force", lambda: "ValidatingAdmissionPolicy" in made("x", "--as=tenant"))
    assert made("x", "--as=tenant", label=False) == "namespace/x created (server dry run)\n"
    assert made("x") == "namespace/x created (server dry run)\n"


def test_a_service_is_reached_from_a_pod(site: Site) -> None:
    """By its own address, which kube-proxy makes: the API server's."""
    site.run_pod("gamma", "caller", 0)
    wait("it runs", lambda: _running(site) == 1)
    call = ("/bin/nc", "-w", "5", SERVICE_ADDRESS, "443", "-e", "/bin/true")
    site.node.plane.kubectl("exec", "-n", "gamma", "caller", "--", *call)
    site.node.plane.kubectl("delete", "-n", "gamma", "pod", "caller", "--wait=true")


def test_a_killed_collector_goes_on(site: Site) -> None:
    """Its counters go on where they were saved, the time without it is lost, and the books balance."""
    site.run_pod("alpha", "long", 2)
    wait("it holds", lambda: counts(site) == {"alpha/long/main": 2}, seconds=20, told=lambda: str(counts(site)))
    wait("the state has it", lambda: _held_seconds(site) > 5, seconds=40)
    before = _held_seconds(site)
    site.node.machine.run("kill", "-9", str(_pid_of(site, inside=True)))
    wait("it serves again, and has gone on", lambda: _held_seconds(site) > before, seconds=60)
    wait("the time without it is lost", lambda: _total(site, gpu_metrics.GPU_SECONDS, reason="collector_down") > 0)
    assert _total(site, gpu_metrics.GPU_RESIDUAL) == 0
    site.node.plane.kubectl("delete", "-n", "alpha", "pod", "long", "--wait=true")


def test_a_kubelet_that_restarts_loses_nobody(site: Site) -> None:
    """While it is away, and when it is back, the pod holds what it holds."""
    site.run_pod("beta", "steady", 3)
    wait("it holds", lambda: counts(site) == {"beta/steady/main": 3}, seconds=20, told=lambda: str(counts(site)))
    site.node.parts["kubelet"].stop()
    time.sleep(3)
    assert counts(site) == {"beta/steady/main": 3}
    site.node.start_kubelet()
    end = time.monotonic() + 20
    while time.monotonic() < end:
        assert counts(site) == {"beta/steady/main": 3}
        time.sleep(1)
    site.node.plane.kubectl("delete", "-n", "beta", "pod", "steady", "--wait=true")
    wait("nothing is held", lambda: not site.held(), seconds=20, told=lambda: str(counts(site)))


def test_while_the_api_server_is_away_metering_goes_on(site: Site) -> None:
    """Who is known stays, and the collector says that the API server does not tell."""
    site.run_pod("gamma", "known", 2)
    wait("it holds", lambda: counts(site) == {"gamma/known/main": 2}, seconds=20, told=lambda: str(counts(site)))
    site.node.plane.parts["kube-apiserver"].stop()
    try:
        wait("it says so", lambda: _total(site, node_metrics.PODS_STALE) == 1)
        time.sleep(5)
        assert counts(site) == {"gamma/known/main": 2}
    finally:
        site.node.plane.start_api_server()
    wait("it hears again", lambda: _total(site, node_metrics.PODS_STALE) == 0, seconds=60)
    site.node.plane.kubectl("delete", "-n", "gamma", "pod", "known", "--wait=true")
    wait("nothing is held", lambda: not site.held(), seconds=20, told=lambda: str(counts(site)))


def _running(site: Site) -> int:
    pods = [each for name in ("alpha", "beta", "gamma") for each in site.node.plane.get("pods", "-n", name)["items"]]
    return sum(each["status"].get("phase") == "Running" for each in pods)


def _given(site: Site) -> list[str]:
    """The devices that the kubelet gave, by what their containers say."""
    found: list[str] = []
    for name in ("alpha", "beta", "gamma"):
        for pod in site.node.plane.get("pods", "-n", name)["items"]:
            says = site.node.plane.kubectl(
                "exec", "-n", name, pod["metadata"]["name"], "--", "/bin/sh", "-c", "echo $NVIDIA_VISIBLE_DEVICES"
            )
            found += says.strip().split(",")
    return found


def _held_seconds(site: Site) -> float:
    return _total(site, holder_metrics.HELD, workload_pod="long")


def _total(site: Site, metric: Metric, **labels: str) -> float:
    """The sum of a metric's samples with these labels."""
    wanted = labels.items()
    return sum(each.value for each in site.page() if each.name == metric.name and wanted <= each.labels.items())


def _pid_of(site: Site, *, inside: bool = False) -> int:
    """The collector's process, as the tests see it or as the machine does."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            command = (status.parent / "cmdline").read_bytes().split(b"\0")
            ids = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("NSpid"))
        except (OSError, StopIteration):
            continue
        numbers = [int(each) for each in ids.split()[1:]]
        if len(numbers) == 3 and b"/opt/flopwatch/bin/flopwatch-collector" in command:
            return numbers[1] if inside else numbers[0]
    raise AssertionError("no collector runs in a container")
