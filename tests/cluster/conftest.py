"""A cluster for the tests of this folder: started once, stopped at the end, however that comes."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster.binaries import CACHE, locked
from cluster.control_plane import ControlPlane
from cluster.machine import Machine
from cluster.node import Node, remove_cgroups
from cluster.site import GPUS, TENANTS, Site, wait

PROGRAMS = (
    "go",
    "kubectl",
    "openssl",
    "unshare",
    "nsenter",
    "setpriv",
    "ip",
    "iptables",
    "containerd",
    "runc",
    "buildah",
    "mmdebstrap",
)
FILES = ("/bin/busybox", "/usr/lib/cni/ptp", "/sys/fs/cgroup/cpuset/tasks")
PREFIX = "fw-cluster-"
FIGURES = pytest.StashKey[dict[str, float]]()


def _missing() -> str:
    """What this machine lacks for a cluster; empty if nothing."""
    lacking = [each for each in PROGRAMS if shutil.which(each) is None]
    lacking += [each for each in FILES if not Path(each).exists()]
    lacking += ["root"] if os.geteuid() else []
    return ", ".join(lacking)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a cluster where there can be none, unless the run must have one."""
    missing = _missing()
    if missing and os.environ.get("FLOPWATCH_REQUIRE_CLUSTER") != "1":
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=f"no cluster here: this machine lacks {missing}"))


@pytest.fixture(scope="session")
def machine() -> Iterator[Machine]:
    """A machine with nothing on it yet."""
    if missing := _missing():
        pytest.fail(f"no cluster here: this machine lacks {missing}")
    with locked(CACHE / "machine.lock"):  # one at a time: addresses and cgroups are fixed
        for left in Path("/tmp").glob(f"{PREFIX}*"):
            shutil.rmtree(left)  # of a run that was killed
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir="/tmp"))
        machine = Machine.start(folder)
        try:
            yield machine
        finally:
            machine.stop()
            remove_cgroups()
            _keep_logs(folder / "logs")
            shutil.rmtree(folder)


def _keep_logs(folder: Path) -> None:
    """Those of the last run stay, for whoever wants more than the ends that stand with a failure."""
    kept = CACHE / "logs-of-the-last-run"
    shutil.rmtree(kept, ignore_errors=True)
    if folder.exists():
        shutil.move(folder, kept)


@pytest.fixture(scope="session")
def plane(machine: Machine, figures: dict[str, float]) -> ControlPlane:
    """A control plane that is ready."""
    began = time.monotonic()
    plane = ControlPlane.start(machine)
    figures["control plane, s"] = time.monotonic() - began
    return plane


@pytest.fixture(scope="session")
def node(plane: ControlPlane, figures: dict[str, float]) -> Node:
    """A real node that is ready, ``node-a``."""
    began = time.monotonic()
    node = Node.start(plane)
    figures["node, s"] = time.monotonic() - began
    return node


@pytest.fixture(scope="session")
def site(node: Node, figures: dict[str, float]) -> Iterator[Site]:
    """The demo overlay on the node, and a device plugin that offers the simulated driver's GPUs."""
    began = time.monotonic()
    site = Site(node=node, folder=Path(tempfile.mkdtemp(dir=node.machine.folder)), began_unix=int(time.time()))
    site.install()
    figures["image to DaemonSet ready, s"] = time.monotonic() - began
    figures["collector's image, MiB"] = site.image_mib
    site.start_plugin(*site.uuids())
    wait("the node offers its GPUs", lambda: site.offered() == GPUS)
    for name in TENANTS:
        site.tenant(name)
    yield site
    if site.plugin is not None:
        site.plugin.stop()


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest) -> dict[str, float]:
    """What was measured, its unit in the name; printed at the end of the run."""
    return request.config.stash.setdefault(FIGURES, {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the figures."""
    for name, value in config.stash.get(FIGURES, {}).items():
        terminalreporter.write_line(f"{name:<60} {value:10.1f}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """With a failure stand the ends of all logs."""
    report = yield
    funcargs = getattr(item, "funcargs", {})
    machine = funcargs.get("machine") or getattr(funcargs.get("node"), "machine", None)
    machine = machine or getattr(getattr(funcargs.get("site"), "node", None), "machine", None)
    if report.failed and machine is not None:
        for part in machine.parts:
            report.sections.append((f"log of {part.name}", part.tail()))
        if isinstance(funcargs.get("site"), Site):
            funcargs["site"].tidy()
    return report
