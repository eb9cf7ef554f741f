import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest

DEMO = (sys.executable, "-m", "policy", "--log-level", "error", "demo")
SECONDS = 100.0

ONE_NODE = """
title = "One node, two hours"
start = 2026-06-01T00:00:00Z
duration = "2h"
[[nodes]]
name = "node-a"
product = "NVIDIA H100 80GB HBM3"
gpus = 8
[[workloads]]
namespace = "acct-1001"
kind = "PyTorchJob"
name = "pretrain"
tenant_id = "t-1001"
[[workloads.pods]]
name = "pretrain-0"
node = "node-a"
gpus = [0, 1, 2, 3, 4, 5, 6, 7]
from = "0h"
to = "2h"
signal = { kind = "constant", busy = 0.9, power = 0.8, memory = 0.8 }
[expected]
tier_flop = 1e18
tickets = [{ rule = "training-in-scope-headquarters", subject = "t-1002", strength = "crossed" }]
"""


def children_of(pid: int) -> list[int]:
    """The processes that this one has started and that still run."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(each) for each in found.split()]


@pytest.fixture
def staying_demo() -> Iterator[subprocess.Popen[str]]:
    """The demo with its API kept up; killed if the test leaves it running."""
    # -u: what it prints is read while it runs.
    command = [DEMO[0], "-u", *DEMO[1:], "--stay"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as demo:
        try:
            yield demo
        finally:
            demo.kill()


def read_until(demo: subprocess.Popen[str], last: str) -> str:
    """What the demo prints up to a line that contains this."""
    assert demo.stdout is not None
    said = ""
    for line in demo.stdout:
        said += line
        if last in line:
            return said
    pytest.fail(f"the demo ended before it said {last!r}:\n{said}")


@pytest.mark.skipif(which("curl") is None, reason="needs curl (Debian package curl)")
def test_the_day_ends_with_the_expected_tickets_and_three_lines_of_curl(staying_demo: subprocess.Popen[str]) -> None:
    """The demo finds what its scenario expects, its curl lines work as printed, Ctrl-C ends it all."""
    said = read_until(staying_demo, "/decision")
    assert "The review API is up until Ctrl-C." in said
    assert "15 tickets, exactly those that the scenario expects." in said
    assert len(re.findall(r"residual 0$", said, flags=re.MULTILINE)) == 4, "of what is read and of what is blind"
    passed_through = r"^NVIDIA GH100 .*: ([1-9][0-9.]+) physical = .* \1 blind; residual 0$"
    assert re.search(passed_through, said, flags=re.MULTILINE), "what nothing reads is blind, and all of it is counted"
    tickets_told = re.findall(r"^T-[0-9a-f]{12}  (?:high|medium|low) .*$", said, flags=re.MULTILINE)
    assert len(tickets_told) == 15, "one line each"
    assert len([line for line in tickets_told if "tier review" in line and "Headquarters, by the law of" in line]) == 9
    assert len([line for line in tickets_told if "no amount decides" in line and "by the law of" in line.lower()]) == 6
    token, listing, reading, deciding = [line for line in said.splitlines() if line.startswith(("TOKEN=", "curl "))]

    def typed(line: str) -> str:
        return subprocess.run(
            ["sh", "-c", f"{token}; {line}"], capture_output=True, text=True, check=True, timeout=20
        ).stdout

    tickets = json.loads(typed(listing))["tickets"]
    assert len(tickets) == 15
    read = json.loads(typed(reading))
    assert read["id"] in {ticket["id"] for ticket in tickets}
    assert read["decisions"] == []
    assert "not legal advice" in read["notice"]
    typed(deciding)
    decided = json.loads(typed(reading))
    assert decided["state"] == "decided"
    assert decided["decisions"][0]["outcome"] == "referred_to_counsel"
    assert decided["decisions"][0]["actor"] == "demo-reviewer"

    children = children_of(staying_demo.pid)
    assert len(children) == 9, "eight collectors and the API"
    staying_demo.send_signal(signal.SIGINT)
    assert staying_demo.wait(timeout=20) == 0
    for child in children:
        assert not Path(f"/proc/{child}").exists(), "Ctrl-C leaves nothing running"


def test_a_difference_from_the_scenario_is_an_exit_code(tmp_path: Path) -> None:
    """What is expected and missing, and what is found and unexpected, is said; the demo exits 1 with its API down."""
    scenario = tmp_path / "one-node.toml"
    scenario.write_text(ONE_NODE, encoding="utf-8")
    demo = subprocess.run(
        [*DEMO, "--exit", "--scenario", str(scenario)],
        capture_output=True, text=True, check=False, timeout=SECONDS, env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert demo.returncode == 1, demo.stdout + demo.stderr
    assert re.search(r"expected and not found: training-in-scope-headquarters about t-1002, crossed", demo.stdout)
    assert re.search(r"found and not expected: training-in-scope-headquarters about t-1001, crossed", demo.stdout)
    assert not list(tmp_path.glob("flopwatch-demo-*")), "its folder is gone"
    assert "The review API has been stopped with the demo; flopwatch demo --stay keeps it up." in demo.stdout
    assert "until Ctrl-C" not in demo.stdout
    assert len(re.findall(r"^curl ", demo.stdout, flags=re.MULTILINE)) == 3
    assert "TOKEN=" not in demo.stdout, "a token that opens nothing is not printed"
    assert "How the answer about t-1001 was reached" in demo.stdout, "the first ticket, as the scenario names none"
    assert "shared GPUs" not in demo.stdout, "nothing was shared"


def test_ctrl_c_in_the_middle_of_the_day_leaves_nothing_running() -> None:
    """Interrupted before the day is over, the demo stops every process that it has started."""
    with subprocess.Popen([*DEMO, "--exit"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as demo:
        deadline = time.monotonic() + 30
        while len(children_of(demo.pid)) < 9 and time.monotonic() < deadline:
            time.sleep(0.1)
        children = children_of(demo.pid)
        demo.send_signal(signal.SIGINT)
        assert demo.wait(timeout=20) == 130
    assert len(children) == 9
    assert not [child for child in children if Path(f"/proc/{child}").exists()]
