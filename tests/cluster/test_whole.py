"""
The whole product on the cluster: collectors, engine and review API, in a fleet of 200 nodes and 2,000 pods.

The nodes are played by KWOK. For twenty of them a collector runs as a process, with a simulated driver and a kubelet's
socket of its own, at the address of the pod that the DaemonSet has there.
"""

import json
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cluster.access import Access
from cluster.centre import Centre
from cluster.churn import Churn, Standing
from cluster.control_plane import SERVER
from cluster.kwok import LABEL, RESOURCE, a_node, create, lend, start_kwok
from cluster.machine import NotStarted
from cluster.site import COLLECTED, NAMESPACE, OPENMETRICS, TOKEN, Site, a_container, wait
from cluster.site import GPUS as REAL_GPUS
from support import kubelet
from support.collectors import samples
from support.kyc import csv_text

from collector.contract import node_metrics
from collector.simulated.scenario import Scenario, load_scenario

NODES, PODS, WATCHED, GPUS = 200, 2000, 20, 8
SPEED, PLAYED = 30, timedelta(minutes=30)
"""The collectors' clock runs so fast, from half an hour ago on: a run has to be seen for ten minutes."""
TENANT, SPACE, JOB = "t-whole", "delta", "pretrain"
SETTINGS = {
    "SIMULATED": "true", "TIER": "review=1e18", "CYCLE_SECONDS": "5",
    "STALE_AFTER_CYCLES": "500",  # the collectors' clock comes from half an hour ago
}  # fmt: skip
RULE = "training-in-scope-headquarters"
MORE_MEMORY_MIB, MORE_FILES = 8.0, 2
BRIEF_PODS, BRIEF_SECONDS = 200, 300.0


@pytest.fixture(scope="module")
def churn(site: Site) -> Churn:
    """Two hundred pods that come and go on the real node, over five minutes."""
    return Churn(site, BRIEF_PODS, BRIEF_SECONDS)


@pytest.mark.usefixtures("churn")
def test_a_scripted_run_becomes_a_ticket_that_is_decided(site: Site, figures: dict[str, float]) -> None:
    """Training on twenty nodes, for a tenant headquartered in D:5; the ticket is read, taken and decided by curl."""
    start_kwok(site.node.plane)
    began = time.monotonic()
    _populate(site)
    figures["200 nodes and 2,000 pods created, s"] = time.monotonic() - began
    party = {"tenant_id": TENANT, "registered_country": "CN", "headquarters_country": "CN"}
    centre = Centre(site.node, site.folder)
    began = time.monotonic()
    centre.install(tenants=csv_text(party), settings=SETTINGS)
    figures["centre's image to pods ready, s"] = time.monotonic() - began
    figures["centre's image, MiB"] = centre.image_mib
    alice = centre.token("alice")
    with ExitStack() as stack:
        began = time.monotonic()
        addresses = _start_collectors(site, stack)
        wait(
            "the engine hears them all",
            lambda: centre.heard() == WATCHED + 1,
            seconds=120,
            pause_seconds=3,
            told=centre.told,
        )
        figures["twenty collectors started to heard, s"] = time.monotonic() - began
        _decide(centre, alice)
        _refuse_all_else(centre)
        figures["twenty collectors started to ticket decided, s"] = time.monotonic() - began
        most = max(_memory(site, address) for address in addresses)
    figures["a played node's collector at most, MiB"] = most / 2**20
    with pytest.raises(NotStarted, match="answers 401"):
        centre.curl("of nobody", "/v1/tickets")


def test_two_hundred_pods_come_and_go(site: Site, churn: Churn, figures: dict[str, float]) -> None:
    """
    Meanwhile, on the real node: nothing is counted twice, and neither series nor memory nor files are left behind.

    What the API server has of other nodes, 200 of them with 2,000 pods, costs this node's collector nothing either.
    """
    churn.end()
    figures["200 pods created and deleted in, s"] = churn.took_seconds
    wait("nothing is held", lambda: not site.held(), seconds=20, told=lambda: str(site.counts()))
    ended = time.time()
    wait("a state has their end", lambda: site.total(node_metrics.COLLECTOR_CLOCK) > ended, seconds=20)
    spent = Standing.of(site).attributed - churn.before.attributed
    figures["they held, GPU-seconds"] = spent
    assert BRIEF_PODS < spent <= REAL_GPUS * churn.took_seconds
    assert site.balance() == (0, 0)
    wait("their series have gone", lambda: Standing.of(site).series <= churn.before.series, seconds=120)
    now = Standing.of(site)
    figures["memory more after them, MiB"] = (now.memory - churn.before.memory) / 2**20
    figures["open files more after them, number"] = now.files - churn.before.files
    assert figures["memory more after them, MiB"] < MORE_MEMORY_MIB
    assert figures["open files more after them, number"] <= MORE_FILES


def _decide(centre: Centre, reviewer: str) -> None:
    wait("there is a ticket", lambda: _tickets(centre, reviewer), seconds=180, told=centre.told)
    (ticket,) = _tickets(centre, reviewer)
    place = f"/v1/tickets/{ticket['id']}"
    assert (ticket["state"], ticket["severity"]) == ("open", "high")
    assert "CN" in json.dumps(centre.curl(reviewer, place)["reasons"])
    assert centre.curl(reviewer, f"{place}/take", {})["taken_by"] == "alice"
    body = {"outcome": "referred_to_counsel", "reason": "no answer yet to what the model is for"}
    decided = centre.curl(reviewer, f"{place}/decision", body)
    assert (decided["state"], decided["decisions"][-1]["actor"]) == ("decided", "alice")


def _refuse_all_else(centre: Centre) -> None:
    """The engine's own token finds collectors and their nodes, and nothing else."""
    may = Access(centre.node.plane, "engine", centre.engine_token()).may
    assert may("list", "pods", NAMESPACE)
    assert may("get", "nodes")
    refused = [
        ("list", "pods"), ("get", "pods"), ("watch", "pods"), ("list", "nodes"), ("get", "nodes/proxy"),
        ("patch", "nodes"), ("get", "namespaces"), ("create", "pods/exec"), ("get", "pods/log"), ("delete", "pods"),
        ("create", "serviceaccounts/token"), ("impersonate", "users"),
        *((verb, what) for what in ("secrets", "configmaps") for verb in ("get", "list", "create")),
    ]  # fmt: skip
    spaces = {what: ("", NAMESPACE, SPACE) if what != ("list", "pods") else ("", SPACE) for what in refused}
    assert [what for what in refused for space in spaces[what] if may(*what, space)] == []


def _tickets(centre: Centre, reviewer: str) -> list[dict[str, Any]]:
    return [each for each in centre.curl(reviewer, "/v1/tickets")["tickets"] if each["rule_id"] == RULE]


def _populate(site: Site) -> None:
    """Nodes and pods: ten of a crowd on each, and one of a training job on each that is watched."""
    plane = site.node.plane
    create(
        plane,
        [a_node(_name(number), GPUS, **({COLLECTED: "yes"} if number < WATCHED else {})) for number in range(NODES)],
    )
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "crowd"}}
    create(plane, [space, space | {"metadata": {"name": SPACE, "labels": {"flopwatch.io/tenant-id": TENANT}}}])
    for name in ("crowd", SPACE):
        wait("its account is there", lambda name=name: "default" in plane.kubectl("get", "sa", "-n", name))
    create(plane, [_pod(f"crowd-{number}", "crowd", number % NODES) for number in range(PODS)])
    spec = _spec() | {"nodeSelector": {COLLECTED: "yes", LABEL: "yes"}, "restartPolicy": "Never"}
    spec["containers"][0]["resources"] = {"limits": {RESOURCE: GPUS}}
    job = {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": JOB, "namespace": SPACE},
        "spec": {"completions": WATCHED, "parallelism": WATCHED, "template": {"spec": spec}},
    }  # fmt: skip
    create(plane, [job])
    wait("all run", lambda: len(_running(site, SPACE)) == WATCHED, seconds=60)
    wait("all run", lambda: len(_running(site, "crowd")) == PODS, seconds=120)
    wait("all run", lambda: len(_running(site, NAMESPACE)) == WATCHED + 1, seconds=60)


def _name(number: int) -> str:
    return f"played-{number:03d}"


def _spec() -> dict[str, Any]:
    tolerations = [{"operator": "Exists"}]
    return {"containers": [a_container("main", 0, "")], "tolerations": tolerations}


def _pod(name: str, namespace: str, node: int) -> dict[str, Any]:
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": _spec() | {"nodeName": _name(node)}}


def _running(site: Site, namespace: str) -> list[list[str]]:
    """Name, node and address of each pod that runs."""
    path = "jsonpath={range .items[*]}{.metadata.name} {.spec.nodeName} {.status.podIP}{'\\n'}{end}"
    select = ("get", "pods", "-n", namespace, "--field-selector=status.phase=Running", "-o", path)
    return [line.split() for line in site.node.plane.kubectl(*select).splitlines()]


def _start_collectors(site: Site, stack: ExitStack) -> list[str]:
    """One for each watched node, at its pod's address, with the devices of the job's pod; the addresses."""
    folder = site.folder / "played"
    folder.mkdir()
    (folder / "token").write_text(TOKEN, encoding="ascii")
    access = site.node.plane.kubectl("create", "token", "flopwatch-collector", "-n", NAMESPACE)
    (folder / "api-token").write_text(access, encoding="ascii")
    pods = {node: pod for pod, node, _ in _running(site, SPACE)}
    places = {node: address for _, node, address in _running(site, NAMESPACE)}
    addresses = [places[_name(number)] for number in range(WATCHED)]
    begins_at = time.time()
    scenario = _scenario(folder, begins_at)
    for number in range(WATCHED):
        node = _name(number)
        socket = folder / f"{number}.sock"
        devices = tuple(each.gpu_uuid for each in scenario.node(node).gpus)
        answer = kubelet.a_pod(pods[node], kubelet.a_container(devices=devices), namespace=SPACE)
        stack.enter_context(kubelet.a_kubelet(socket, kubelet.a_reply(answer)))
        lend(site.node.machine, places[node])
        part = site.node.machine.begin(
            f"collector-{number}", sys.executable, "-m", "collector", f"--node={node}", f"--simulate={scenario.file}",
            f"--speed={SPEED}", f"--begins-at={begins_at}", "--interval-seconds=30", "--max-gap-seconds=300",
            f"--listen-host={places[node]}",
            f"--bearer-token-file={folder / 'token'}", f"--kubelet-socket={socket}", f"--api-server={SERVER}",
            f"--api-token-file={folder / 'api-token'}", f"--api-ca-file={site.node.plane.authority.folder / 'ca.crt'}",
        )  # fmt: skip
        stack.callback(part.stop)
    return addresses


def _scenario(folder: Path, begins_at: float) -> Scenario:
    """Every watched node trains, all at once."""
    start = datetime.fromtimestamp(begins_at, UTC) - PLAYED
    nodes = "".join(
        f'[[nodes]]\nname = "{_name(number)}"\nproduct = "NVIDIA H100 80GB HBM3"\ngpus = {GPUS}\n'
        for number in range(WATCHED)
    )
    pods = "".join(
        f'[[workloads.pods]]\nname = "{JOB}-{number}"\nnode = "{_name(number)}"\ngpus = {list(range(GPUS))}\n'
        'from = "0h"\nto = "24h"\n'
        'signal = { kind = "training", busy = 0.97, power = 0.8, memory = 0.85, period = "5m", dip = "10s" }\n'
        for number in range(WATCHED)
    )
    head = f'title = "a run on twenty nodes"\nstart = {start.isoformat()}\nduration = "24h"\n'
    workload = f'[[workloads]]\nnamespace = "{SPACE}"\nkind = "Job"\nname = "{JOB}"\n'
    path = folder / "scenario.toml"
    path.write_text(head + nodes + workload + pods, encoding="ascii")
    return load_scenario(path)


def _memory(site: Site, address: str) -> float:
    """Of the collector's process, in bytes."""
    command = ("curl", "-sf", "-H", f"Authorization: Bearer {TOKEN}", "-H", OPENMETRICS)
    page = site.node.machine.run(*command, f"http://{address}:9478/metrics")
    return next(each.value for each in samples(page) if each.name == node_metrics.COLLECTOR_MEMORY.name)
