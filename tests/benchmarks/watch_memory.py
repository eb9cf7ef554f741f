"""
How much memory the watch on a node's pods costs. Prints figures; judges nothing.

    python tests/benchmarks/watch_memory.py                 110 pods of about 10 KiB each
    python tests/benchmarks/watch_memory.py --pods 250
"""

import argparse
import gc
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.api_server import a_pod, an_api_server
from support.watching import QUICK, synced, there, watching

CHANGES = 2000


def resident_mib() -> float:
    """What this process has in memory now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


def a_large_pod(number: int) -> dict[str, object]:
    """A pod with the managed fields, environment and volumes of a usual one."""
    pod = a_pod(f"pod-{number}", namespace=f"tenant-{number % 10}")
    pod["spec"]["containers"][0]["env"] = [{"name": f"VARIABLE_{each}", "value": "x" * 40} for each in range(60)]
    pod["spec"]["volumes"] = [{"name": f"volume-{each}", "configMap": {"name": "y" * 30}} for each in range(20)]
    pod["metadata"]["managedFields"] = [{"fieldsV1": {f"f:field-{each}": {"f:x": {}} for each in range(150)}}]
    return pod


def main() -> None:
    """Watch so many pods, and change them often."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=110, help="pods on the node [110, the kubelet's default limit]")
    given = parser.parse_args()
    with an_api_server() as server, tempfile.TemporaryDirectory() as folder:
        server.pods = {f"uid-pod-{number}": a_large_pod(number) for number in range(given.pods)}
        server.namespaces = {f"tenant-{number}": {"flopwatch.io/tenant-id": f"t-{number}"} for number in range(10)}
        print(f"{given.pods} pods, {len(server.listing()) / 2**20:.1f} MiB of JSON; the server is in this process")
        print(f"{'client loaded':34} {resident_mib():7.1f} MiB")
        with watching(server, Path(folder), pace=QUICK) as pods:
            synced(pods)
            there(pods, f"pod-{given.pods - 1}", f"tenant-{(given.pods - 1) % 10}")
            gc.collect()
            print(f"{'all pods known':34} {resident_mib():7.1f} MiB")
            began = time.perf_counter()
            for change in range(CHANGES):
                server.put(a_large_pod(change % given.pods), "MODIFIED")
            server.put(a_pod("last", namespace="tenant-0"))
            there(pods, "last", "tenant-0")
            seconds = time.perf_counter() - began
            gc.collect()
            print(f"{f'after {CHANGES} changes ({seconds:.1f} s)':34} {resident_mib():7.1f} MiB")
            print(f"requests: {pods.counters().requests}")


if __name__ == "__main__":
    main()
