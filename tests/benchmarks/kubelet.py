"""
What one look at the kubelet's claims costs: a real gRPC server in a process of its own, asked over its socket.

    python tests/benchmarks/kubelet.py

Prints figures; judges nothing. CPU is this process's, all of its threads, the kubelet's not included.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.devices import a_node  # noqa: E402 - found through the line above
from support.kubelet import a_full_node, a_kubelet, a_socket_path  # noqa: E402

from collector.kubelet.client import Kubelet  # noqa: E402
from collector.kubelet.ids import resolve  # noqa: E402
from collector.readings import Absent  # noqa: E402


def resident_mib() -> float:
    """Memory of this process that is in RAM."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096 / 2**20


def timed(what: Callable[[], object], times: int) -> tuple[float, float]:
    """CPU and clock of one call in milliseconds, after one that is not counted."""
    what()
    cpu, clock = time.process_time(), time.perf_counter()
    for _ in range(times):
        what()
    return (time.process_time() - cpu) / times * 1e3, (time.perf_counter() - clock) / times * 1e3


def measure(containers: int, devices: int, calls: int) -> None:
    """Ask a kubelet with so many containers, which share so many GPUs."""
    with a_socket_path() as socket:
        command = [sys.executable, __file__, "--serve", str(socket), str(containers), str(devices)]
        with (
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server,
            Kubelet(socket) as kubelet,
        ):
            assert server.stdout is not None
            server.stdout.readline()
            claims = kubelet.list()
            assert not isinstance(claims, Absent), kubelet.problem
            list_cpu, list_clock = timed(kubelet.list, calls)
            server.communicate()
    size = a_full_node(containers, devices).ByteSize()
    table = a_node(devices)
    assert len(resolve(claims, table).held) == len(claims)
    resolve_cpu, _ = timed(lambda: resolve(claims, table), calls)
    print(
        f"{containers:5} x {devices}: {size:9,} bytes, {len(claims):6,} claims; list {list_cpu:7.2f} ms CPU, "
        f"{list_clock:7.2f} ms; resolve {resolve_cpu:7.2f} ms CPU; {resident_mib():4.0f} MiB resident"
    )


def main() -> None:
    """Measure a few sizes, or be the kubelet that is measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", nargs=3, metavar=("SOCKET", "CONTAINERS", "DEVICES"), help=argparse.SUPPRESS)
    parser.add_argument("--calls", type=int, default=200, help="calls for each size [200]")
    given = parser.parse_args()
    if given.serve:
        socket, containers, devices = given.serve
        with a_kubelet(Path(socket), a_full_node(int(containers), int(devices))):
            print("ready", flush=True)
            sys.stdin.read()
        return
    for containers, devices, calls in ((1, 8, given.calls), (16, 8, given.calls), (250, 8, given.calls // 10 + 1)):
        measure(containers, devices, calls)


if __name__ == "__main__":
    main()
