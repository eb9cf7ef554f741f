from pathlib import Path

import pytest

from collector.contract import node_metrics
from collector.own_process import own_process_samples, resident_memory_bytes
from collector.readings import Absent, Why

WHERE = ("node-a", "measured")


def test_memory_is_what_the_kernel_says_elsewhere() -> None:
    """The number is in bytes, and close to what /proc/self/status has in KiB."""
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    (kib,) = (int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
    resident = {sample.metric: sample.value for sample in own_process_samples(WHERE)}[node_metrics.COLLECTOR_MEMORY]
    assert resident == pytest.approx(kib * 1024, rel=0.1)


def test_processor_time_only_grows() -> None:
    """Each look tells at least as much as the one before it."""
    told = [sample.value for _ in range(3) for sample in own_process_samples(WHERE) if sample.metric.kind == "counter"]
    assert len(told) == 3
    assert 0 < told[0] <= told[1] <= told[2]


@pytest.mark.parametrize("content", [None, "", "1", "1 x 3", "\xff"])
def test_a_kernel_that_does_not_tell_leaves_memory_out(tmp_path: Path, content: str | None) -> None:
    """Without a usable file there is no series of memory, which is not 0, and processor time is there all the same."""
    statm = tmp_path / "statm"
    if content is not None:
        statm.write_text(content, encoding="latin-1")
    assert resident_memory_bytes(statm) == Absent(Why.NO_DATA)
    assert [sample.metric for sample in own_process_samples(WHERE, statm=statm)] == [node_metrics.COLLECTOR_CPU]
