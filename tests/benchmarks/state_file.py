"""
What a save of the collector's state costs: 16 holders, 64 devices, all of them held.

Run: ``python tests/benchmarks/state_file.py [FOLDER]``; FOLDER is on the disk to be measured, default the current one.
"""

import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from collector.accounting import Accounts, DeviceInterval, Holder, attribute
from collector.readings import Absent, DeviceIdentity, Reading, Why
from collector.state.custody import Custody
from collector.state.file import State, StateFile

HOLDERS, DEVICES, SAVES = 16, 64, 200


def a_holder(number: int) -> Holder:
    """One of the pods, with names of a usual length."""
    return Holder(
        namespace=f"account-{number:05d}",
        pod=f"pretrain-worker-{number}",
        pod_uid=f"0d9c0e4e-6d4c-4a57-9c2e-{number:012d}",
        container="main",
        workload_kind="PyTorchJob",
        workload_name="pretrain",
        workload_uid=f"7f0c0e4e-6d4c-4a57-9c2e-{number:012d}",
        tenant_id=f"t-{number:05d}",
    )


def a_state() -> State:
    """A node after an hour: every device held and read."""
    holders = [a_holder(number) for number in range(HOLDERS)]
    identities = [
        DeviceIdentity(
            gpu_uuid=f"MIG-0d9c0e4e-6d4c-4a57-9c2e-{number:012d}",
            accelerator="NVIDIA H100 80GB HBM3",
            board_part_number="692-2G520-0200-000",
            vbios_version="96.00.A5.00.01",
            index=number,
            minor_number=number,
            compute_capability="9.0",
            architecture="hopper",
            fabric_cluster_uuid=Absent(Why.NOT_SUPPORTED),
            fabric_clique_id=Absent(Why.NOT_SUPPORTED),
            mig=None,
            pci_bus_id=f"00000000:{number:02X}:00.0",
            serial=f"{number:013d}",
        )
        for number in range(DEVICES)
    ]
    nothing = Reading.absent(Why.NOT_SUPPORTED)
    reading = replace(nothing, busy_ratio=0.97, power_watts=700.0, memory_used_bytes=1 << 36)
    held = {each.gpu_uuid: (holders[index % HOLDERS],) for index, each in enumerate(identities)}
    accounts = Accounts()
    accounts.advance(3_600_000_000_000, {"NVIDIA H100 80GB HBM3": DEVICES})
    accounts.integrate(
        3_600_000_000_000,
        [
            DeviceInterval(
                gpu_uuid=each.gpu_uuid,
                accelerator=each.accelerator,
                reading=reading,
                attribution=attribute(reading, held[each.gpu_uuid]),
            )
            for each in identities
        ],
    )
    custody = Custody().look(identities, at_unix=1_780_000_000.123, elapsed_seconds=1.0)
    return State(
        began_unix=1_780_000_000.5, clock_unix=1_780_003_600.5, books=accounts.books(), held=held, custody=custody
    )


def main() -> None:
    """Print bytes, CPU and wall time of one save, and of one load."""
    folder = sys.argv[1] if len(sys.argv) > 1 else "."
    with tempfile.TemporaryDirectory(dir=folder) as place:
        file, state = StateFile(Path(place) / "state.json", node="node-a", provenance="simulated"), a_state()
        cpu, wall = _cpu_seconds(), time.perf_counter()
        for _ in range(SAVES):
            size = file.save(state)
        print(f"save: {size:,} bytes, {(_cpu_seconds() - cpu) / SAVES * 1e3:.2f} ms CPU, "
              f"{(time.perf_counter() - wall) / SAVES * 1e3:.2f} ms")  # fmt: skip
        wall = time.perf_counter()
        file.load()
        print(f"load: {(time.perf_counter() - wall) * 1e3:.2f} ms")


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
