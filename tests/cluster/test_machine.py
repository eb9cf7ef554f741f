"""What is left of a machine when the run that made it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
RUN = """
import sys, time
from pathlib import Path
from cluster.machine import Machine
machine = Machine.start(Path(sys.argv[1]), joined=False)
print(machine.first, machine.begin("sleeper", "sleep", "1000").pid, flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_ends_takes_all_its_processes_with_it(tmp_path: Path, number: int) -> None:
    """Interrupted or killed, without a chance to tidy up: no process of the machine outlives it."""
    command = [sys.executable, "-c", RUN, str(tmp_path)]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=_env())
    assert run.stdout is not None
    with run.stdout:
        processes = [Path("/proc", pid) for pid in run.stdout.readline().split()]
    assert len(processes) == 2
    assert all(each.exists() for each in processes)
    run.send_signal(number)
    run.wait(20)
    deadline = time.monotonic() + 20
    while any(each.exists() for each in processes):
        assert time.monotonic() < deadline, processes
        time.sleep(0.05)
    assert str(tmp_path) not in Path("/proc/mounts").read_text(encoding="ascii")


def _env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(TESTS)}
