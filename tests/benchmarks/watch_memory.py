"""
How much memory a process has that watches a node's pods and does nothing else. Prints figures; judges nothing.

    python tests/benchmarks/watch_memory.py                 110 pods of about 10 KiB each
    python tests/benchmarks/watch_memory.py --pods 250
"""

import argparse
import gc
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CHANGES = 2000
LAST = "last"


def watch(url: str, token_file: Path, pods: int) -> None:
    """Watch the server at this address until the last pod comes, and print what it takes."""
    print(f"{'python':28} {resident_mib():6.1f} MiB", flush=True)
    # Imported here: the other process, which plays the server, has no part in the figures.
    from collector.clock import SystemClock
    from collector.pods.apiserver import Access, ApiServer
    from collector.pods.claims import DEFAULT_ADAPTERS, adapters_named
    from collector.pods.watch import NodePods
    from collector.readings import Absent, Why

    node = NodePods(
        ApiServer(Access(server=url, token_file=token_file)),
        node="node-a",
        adapters=adapters_named(DEFAULT_ADAPTERS),
        site_key=Absent(Why.NO_SITE_KEY),
        clock=SystemClock(),
    )
    print(f"{'client loaded':28} {resident_mib():6.1f} MiB", flush=True)
    node.start()
    while not node.pods().synced or len(node.pods().pods) < pods:
        time.sleep(0.01)
    gc.collect()
    print(f"{f'{pods} pods known':28} {resident_mib():6.1f} MiB", flush=True)
    began = time.process_time()
    while ("tenant-0", LAST) not in node.pods().pods:
        time.sleep(0.01)
    milliseconds = (time.process_time() - began) * 1000 / CHANGES
    print(f"{f'after {CHANGES} changes':28} {resident_mib():6.1f} MiB, {milliseconds:.2f} ms of CPU a change")
    print(node.counters().requests, flush=True)
    node.stop()


def resident_mib() -> float:
    """What this process has in memory now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


def serve(pods: int) -> None:
    """Play the API server for a process that watches."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from support.api_server import TOKEN, a_pod, an_api_server

    def large(number: int) -> dict[str, Any]:
        """A pod with the managed fields, environment and volumes of a usual one."""
        pod = a_pod(f"pod-{number}", namespace=f"tenant-{number % 10}")
        pod["spec"]["containers"][0]["env"] = [{"name": f"VARIABLE_{each}", "value": "x" * 40} for each in range(60)]
        pod["spec"]["volumes"] = [{"name": f"volume-{each}", "configMap": {"name": "y" * 30}} for each in range(20)]
        pod["metadata"]["managedFields"] = [{"fieldsV1": {f"f:field-{each}": {"f:x": {}} for each in range(150)}}]
        return pod

    with an_api_server() as server, tempfile.NamedTemporaryFile("w") as token_file:
        token_file.write(TOKEN)
        token_file.flush()
        server.pods = {f"uid-pod-{number}": large(number) for number in range(pods)}
        server.namespaces = {f"tenant-{number}": {"flopwatch.io/tenant-id": f"t-{number}"} for number in range(10)}
        print(f"{pods} pods, {len(server.listing()) / 2**20:.1f} MiB of JSON")
        command = [sys.executable, __file__, "--pods", str(pods), "--watch", server.url, token_file.name]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watcher:
            assert watcher.stdout
            for line in watcher.stdout:
                print(line, end="")
                if "known" in line:
                    for change in range(CHANGES):
                        server.put(large(change % pods), "MODIFIED")
                    server.put(a_pod(LAST, namespace="tenant-0"))


def main() -> None:
    """Play both sides, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=110, help="pods on the node [110, the kubelet's default limit]")
    parser.add_argument("--watch", nargs=2, metavar=("URL", "TOKEN_FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.watch:
        watch(given.watch[0], Path(given.watch[1]), given.pods)
    else:
        serve(given.pods)


if __name__ == "__main__":
    main()
