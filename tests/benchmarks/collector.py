"""
What the whole collector costs on a simulated node, and how many series it serves. Prints figures.

    python -P tests/benchmarks/collector.py [--seconds 600] [--gpus 8] [--holders 16] [--mig 0] [--metrics full]

The collector is a process of its own, at one tick a second, with a state file, asked for its page every five seconds.
Kubelet (real gRPC on a unix socket) and API server (a double over HTTP) are played by this process, which is not
measured. The simulated driver takes its time within the collector; it counts that itself, and it is named apart.

With --mig the cards are cut into that many instances of one seventh, each with a holder of its own.
Ends with 1 where any figure is above its bar, which stands beside it; bars are of nodes of up to eight GPUs and sixteen
holders, or 64 MIG instances, and that of series of the minimal profile for eight GPUs with eight holders.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.api_server import CA_FILE, KINDS, ApiServerDouble, a_pod, an_api_server  # noqa: E402 - found through the line above
from support.kubelet import a_container, a_kubelet, a_reply, a_socket_path  # noqa: E402
from support.kubelet import a_pod as a_kubelet_pod  # noqa: E402
from support.scenarios import TRAINING, a_node, a_scenario, a_workload, an_instance  # noqa: E402
from support.scenarios import a_pod as a_scenario_pod  # noqa: E402
from support.watching import a_token_file  # noqa: E402

from collector.simulated.playback import NodeScript  # noqa: E402
from collector.simulated.scenario import load_scenario  # noqa: E402

SCRAPE_SECONDS, SETTLING_SECONDS, GRACE_SECONDS = 5.0, 15.0, 10.0
SCRAPES_PER_BOOKMARK = 12  # one each minute, as the API server sends them: a watch without one counts as broken
PER_CARD = 7  # instances of one slice
BAR_GPUS, BAR_HOLDERS, BAR_MIG = 8, 16, 64  # the largest nodes that there are bars for
SERIES_GPUS, SERIES_HOLDERS = 8, 8
FLEET_NODES = 12_500  # 100,000 GPUs
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was measured: what the process took in all and by the end, and the series of the last page."""

    cpu_percent: float
    ticks: int
    memory_mib: float
    page_ms: float
    p99_ms: float
    series: int
    requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure in this unit, and the most that it may be where there is a bar."""

    name: str
    value: float
    unit: str
    most: float | None = None
    more: str = ""

    @property
    def is_over(self) -> bool:
        """Whether it is above its bar."""
        return self.most is not None and self.value > self.most

    def __str__(self) -> str:
        bar = "" if self.most is None else f"; {'OVER ' if self.is_over else ''}{self.most:g} at most"
        return f"{self.name:<15} {self.value:8.2f} {self.unit}{bar}{self.more}"


def cpu_seconds(pid: int) -> float:
    """CPU that a process has used, all of its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mib(pid: int) -> float:
    """Memory of a process that is in RAM."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * 4096 / 2**20


def scrape(url: str) -> tuple[float, list[str]]:
    """Milliseconds for one page, and its samples."""
    command = ["curl", "-s", "-H", "Accept: application/openmetrics-text", "-w", "%{time_total}", url]
    page = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    seconds = float(page.rpartition("# EOF\n")[2])
    return seconds * 1000, [line for line in page.splitlines() if line.startswith("flopwatch_")]


def measure(pid: int, url: str, seconds: float, api: ApiServerDouble) -> Found:
    """Scrape for so long, and see what it took."""
    time.sleep(SETTLING_SECONDS)
    asked = requests(api)
    cpu, began, times, page = cpu_seconds(pid), time.monotonic(), [], list[str]()
    while time.monotonic() - began < seconds:
        milliseconds, page = scrape(url)
        times.append(milliseconds)
        if len(times) % SCRAPES_PER_BOOKMARK == 0:
            api.bookmark()
        time.sleep(max(0.0, began + len(times) * SCRAPE_SECONDS - time.monotonic()))
    elapsed = time.monotonic() - began
    ticks = next(float(line.rpartition(" ")[2]) for line in page if line.startswith("flopwatch_collector_ticks_total"))
    return Found(
        cpu_percent=100 * (cpu_seconds(pid) - cpu) / elapsed,
        ticks=round(ticks),
        memory_mib=resident_mib(pid),
        page_ms=statistics.median(times),
        p99_ms=sorted(times)[min(len(times) - 1, int(0.99 * len(times)))],
        series=len(page),
        requests=requests(api) - asked,
    )


def requests(api: ApiServerDouble) -> int:
    """How many the API server has had, of every kind."""
    return sum(api.count(kind) for kind in KINDS)


def figures(found: Found, simulated_percent: float, given: argparse.Namespace) -> tuple[Figure, ...]:
    """
    All of them, with the bars of such a node.

    The bars are the project's own choice; a node of instances has one of its CPU alone.
    """
    fits = given.mig <= BAR_MIG if given.mig else given.gpus <= BAR_GPUS
    has_bars = fits and given.holders <= BAR_HOLDERS
    is_small = (given.gpus, given.holders, given.mig) == (SERIES_GPUS, SERIES_HOLDERS, 0)

    def bar(most: float, *, where: bool = True) -> float | None:
        return most if has_bars and where else None

    of_fleet = f"; {found.series * FLEET_NODES:,} on {FLEET_NODES:,} nodes"
    return (
        Figure(name="CPU", value=found.cpu_percent, unit="% of one core, all in", most=bar(3.0 if given.mig else 1.0)),
        Figure(name="simulated CPU", value=simulated_percent, unit="% of it within the simulated driver"),
        Figure(
            name="own CPU", value=found.cpu_percent - simulated_percent, unit="%", most=bar(0.5, where=not given.mig)
        ),
        Figure(name="memory", value=found.memory_mib, unit="MiB resident", most=bar(90.0, where=not given.mig)),
        Figure(name="page", value=found.page_ms, unit="ms, median"),
        Figure(name="page p99", value=found.p99_ms, unit="ms", most=bar(20.0, where=not given.mig)),
        Figure(name="API requests", value=found.requests, unit="while it was measured", most=bar(0)),
        Figure(
            name="series",
            value=found.series,
            unit="on a page",
            most=bar(120, where=is_small and given.metrics == "minimal"),
            more=of_fleet,
        ),
    )


def tables(given: argparse.Namespace) -> tuple[str, str]:
    """The node and what runs on it: training on every card, or on every instance of a seventh."""
    cut = [an_instance(number // PER_CARD, "1g.10gb") for number in range(given.mig)]
    whole = [gpu for gpu in range(given.gpus) if gpu * PER_CARD >= given.mig]
    pods = [a_scenario_pod(gpus=whole, signal=TRAINING)] if whole else []
    parts = [a_scenario_pod(f"mig-{number}", instances=[number], signal=TRAINING) for number in range(given.mig)]
    return a_node(*cut, gpus=given.gpus), a_workload(*pods, *parts)


def device_ids(script: NodeScript, given: argparse.Namespace) -> list[tuple[str, str]]:
    """Resource and id of each holder's device; cards are shared in turn."""
    parts = [("nvidia.com/mig-1g.10gb", instance.mig_uuid) for instance in script.instances]
    cut = {instance.gpu for instance in script.instances}
    cards = [gpu.gpu_uuid for index, gpu in enumerate(script.gpus) if index not in cut]
    holders = range(given.holders if cards else 0)
    return [*parts, *(("nvidia.com/gpu", f"{cards[n % len(cards)]}::{n // len(cards)}") for n in holders)]


def main() -> int:
    """Play the node, start the collector, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--holders", type=int, default=16)
    parser.add_argument("--mig", type=int, default=0)
    parser.add_argument("--metrics", choices=("full", "minimal"), default="full")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, a_socket_path() as socket, an_api_server() as api:
        folder = Path(name)
        scenario = a_scenario(folder, *tables(given))
        devices = device_ids(load_scenario(scenario).nodes[0], given)
        pods = [f"pretrain-worker-{number}" for number in range(len(devices))]
        reply = a_reply(
            *(
                a_kubelet_pod(pod, a_container(resource=resource, devices=(device,)))
                for pod, (resource, device) in zip(pods, devices, strict=True)
            )
        )
        for pod in pods:
            api.put(a_pod(pod))
        inside = folder / "inside"
        command = [
            sys.executable, "-P", "-m", "support.counted_collector", str(inside),
            "--listen-port=0", "--node=node-a", f"--simulate={scenario}",
            f"--kubelet-socket={socket}", f"--api-server={api.url}", f"--api-token-file={a_token_file(folder)}",
            f"--api-ca-file={CA_FILE}", f"--state-file={folder / 'state.json'}", f"--metrics={given.metrics}",
        ]  # fmt: skip
        environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
        with (
            a_kubelet(socket, reply),
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as collector,
        ):
            try:
                assert collector.stdout is not None
                url = collector.stdout.readline().removeprefix("serving ").strip()
                found = measure(collector.pid, url, given.seconds, api)
            finally:
                collector.terminate()
                collector.wait(GRACE_SECONDS)
        simulated = 100 * float(inside.read_text(encoding="ascii")) / found.ticks
    measured = figures(found, simulated, given)
    print(*measured, sep="\n")
    return int(any(figure.is_over for figure in measured))


if __name__ == "__main__":
    sys.exit(main())
