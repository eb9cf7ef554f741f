"""
What the whole collector costs on a simulated node of eight busy H100 with sixteen holders. Prints figures.

    python tests/benchmarks/collector.py [--seconds 600]

The collector is a process of its own, at one tick a second, with a state file, asked for its page every five seconds.
Kubelet (real gRPC on a unix socket) and API server (a double over HTTP) are played by this process, which is not
measured. The simulated driver takes its time within the collector: that part is measured apart and named.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:1] = [str(ROOT), str(ROOT / "tests")]  # in place of this folder, where a file is called as the package is

from support.api_server import CA_FILE, KINDS, ApiServerDouble, a_pod, an_api_server  # noqa: E402 - found through the line above
from support.kubelet import a_container, a_kubelet, a_reply, a_socket_path  # noqa: E402
from support.kubelet import a_pod as a_kubelet_pod  # noqa: E402
from support.odd_drivers import CountingDriver  # noqa: E402
from support.scenarios import TRAINING, Moment, a_node, a_scenario, a_workload  # noqa: E402
from support.scenarios import a_pod as a_scenario_pod  # noqa: E402
from support.watching import a_token_file  # noqa: E402

from collector.nvml import Driver  # noqa: E402
from collector.simulated.driver import installed  # noqa: E402
from collector.simulated.playback import NodeScript  # noqa: E402
from collector.simulated.scenario import load_scenario  # noqa: E402

GPUS, HOLDERS, SCRAPE_SECONDS, SETTLING_SECONDS = 8, 16, 5.0, 10.0
SCRAPES_PER_BOOKMARK = 12  # one each minute, as the API server sends them: a watch without one counts as broken
TICKS = os.sysconf("SC_CLK_TCK")


def driver_milliseconds(script: NodeScript) -> float:
    """What the simulated driver's own functions take of one look at every card."""
    moment, looks = Moment(60), 100
    behind = CountingDriver(script, moment)
    with installed(behind), Driver.open(moment.elapsed_ns) as driver:
        for _ in range(looks + 1):
            moment.seconds += 1
            for device in driver.devices():
                driver.reading(device)
            if moment.seconds == 61:
                behind.inside_seconds = 0.0
    return behind.inside_seconds / looks * 1000


def cpu_seconds(pid: int) -> float:
    """CPU that a process has used, all of its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mib(pid: int) -> float:
    """Memory of a process that is in RAM."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * 4096 / 2**20


def scrape(url: str) -> tuple[float, int]:
    """Milliseconds for one page, and its samples."""
    command = ["curl", "-s", "-H", "Accept: application/openmetrics-text", "-w", "%{time_total}", url]
    page = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    seconds = float(page.rpartition("# EOF\n")[2])
    return seconds * 1000, sum(1 for line in page.splitlines() if line.startswith("flopwatch_"))


def measure(pid: int, url: str, seconds: float, api: ApiServerDouble) -> None:
    """Scrape for so long, and print what it took."""
    time.sleep(SETTLING_SECONDS)
    asked = {kind: api.count(kind) for kind in KINDS}
    cpu, began, pages = cpu_seconds(pid), time.monotonic(), []
    while time.monotonic() - began < seconds:
        pages.append(scrape(url))
        if len(pages) % SCRAPES_PER_BOOKMARK == 0:
            api.bookmark()
        time.sleep(max(0.0, began + len(pages) * SCRAPE_SECONDS - time.monotonic()))
    elapsed = time.monotonic() - began
    times = sorted(milliseconds for milliseconds, _ in pages)
    p99 = times[min(len(times) - 1, int(0.99 * len(times)))]
    print(f"CPU             {100 * (cpu_seconds(pid) - cpu) / elapsed:6.2f} % of one core, all in")
    print(f"memory          {resident_mib(pid):6.1f} MiB resident")
    print(f"page            {statistics.median(times):6.2f} ms, p99 {p99:.2f} ms; {pages[-1][1]} series")
    print(f"API requests    { ({kind: api.count(kind) - asked[kind] for kind in KINDS}) } in {elapsed:.0f} s")


def main() -> None:
    """Play the node, start the collector, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    given = parser.parse_args()
    pods = [f"pretrain-worker-{number}" for number in range(HOLDERS)]
    with tempfile.TemporaryDirectory() as name, a_socket_path() as socket, an_api_server() as api:
        folder = Path(name)
        running = a_scenario_pod(gpus=range(GPUS), signal=TRAINING)
        scenario = a_scenario(folder, a_node(gpus=GPUS), a_workload(running))
        script = load_scenario(scenario).nodes[0]
        print(f"simulated driver {driver_milliseconds(script) / 10:5.2f} % of one core by itself")
        ids = [f"{script.gpus[number % GPUS].gpu_uuid}::{number // GPUS}" for number in range(HOLDERS)]
        reply = a_reply(
            *(a_kubelet_pod(pod, a_container(devices=(device,))) for pod, device in zip(pods, ids, strict=True))
        )
        for pod in pods:
            api.put(a_pod(pod))
        command = [
            sys.executable, "-m", "collector", "--listen-port=0", "--node=node-a", f"--simulate={scenario}",
            f"--kubelet-socket={socket}", f"--api-server={api.url}", f"--api-token-file={a_token_file(folder)}",
            f"--api-ca-file={CA_FILE}", f"--state-file={folder / 'state.json'}",
        ]  # fmt: skip
        with a_kubelet(socket, reply), subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as collector:
            try:
                assert collector.stdout is not None
                url = collector.stdout.readline().removeprefix("serving ").strip()
                measure(collector.pid, url, given.seconds, api)
            finally:
                collector.terminate()


if __name__ == "__main__":
    main()
