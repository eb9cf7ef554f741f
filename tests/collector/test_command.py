import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.api_server import CA_FILE, TLS
from support.collectors import COMMAND, ENVIRONMENT, Running, samples
from support.http import PATIENCE_SECONDS, ask, get, until
from support.processes import running
from support.prometheus import needed
from support.scenarios import a_fault, a_node, a_pod, a_scenario, a_script, a_workload, foreign

from collector import contract
from collector.contract import gpu_metrics, holder_metrics, node_metrics
from collector.nvml import Driver, NoDriver
from collector.processes.reality import Mismatch
from collector.simulated.sysfs import write_sysfs

PAIR = TLS / "server.pem"


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """Two GPUs, one of them in training."""
    return a_scenario(tmp_path, a_node(), a_workload(a_pod()))


@pytest.fixture
def playing(scenario: Path) -> Iterator[Running]:
    """The command, playing it."""
    with Running(f"--simulate={scenario}", "--node=node-a", "--speed=60", "--max-gap-seconds=3600") as running:
        yield running


def test_a_scenario_is_served_as_simulated(playing: Running) -> None:
    """Every single series of a simulated node says so, and the word measured is nowhere on the page."""
    page = playing.page()
    found = samples(page)
    assert {sample.labels["provenance"] for sample in found} == {"simulated"}
    assert "measured" not in re.sub(r"^#.*$", "", page, flags=re.MULTILINE)
    assert {sample.labels["node"] for sample in found} == {"node-a"}
    names = {sample.name for sample in found}
    assert {holder_metrics.HELD.name, gpu_metrics.GPU_BUSY.name, node_metrics.COLLECTOR_CPU.name} <= names
    for sample in found:
        assert set(sample.labels) == set(contract.BY_NAME[sample.name].labels)


def test_counters_go_on_between_scrapes(playing: Running) -> None:
    """Held seconds grow from scrape to scrape, and the books balance at each."""

    def held() -> float:
        found = samples(playing.page())
        assert sum(sample.value for sample in found if sample.name == gpu_metrics.GPU_RESIDUAL.name) == 0
        return sum(sample.value for sample in found if sample.name == holder_metrics.HELD.name)

    before = held()
    until(lambda: held() > before, "the counters have grown")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_code_0(playing: Running, number: int) -> None:
    """SIGTERM and Ctrl-C end it in order, without a traceback, while it serves."""
    with ExitStack() as open_connections:
        open_connections.enter_context(socket.create_connection(("127.0.0.1", playing.port), timeout=30))
        code, errors = playing.stop(number)
    assert code == 0
    assert "Traceback" not in errors


def test_signals_make_it_let_go_of_the_driver_and_take_it_back(scenario: Path) -> None:
    """After SIGUSR1 every GPU is lost for that reason and it serves on, after SIGUSR2 it reads; SIGTERM ends it."""

    def readiness(running: Running) -> tuple[str, str]:
        answer = json.loads(get(running.port, "/readyz")[1])
        return answer["state"], answer["reason"]

    with Running(f"--simulate={scenario}", "--node=node-a", "--release-seconds=86400") as running:
        running.process.send_signal(signal.SIGUSR1)
        until(lambda: readiness(running) == ("blind", "driver_released"), "the driver is released")
        until(lambda: "driver_released" in running.page(), "the page says so")
        found = samples(running.page())
        running.process.send_signal(signal.SIGUSR2)
        until(lambda: readiness(running) == ("observing", ""), "the driver is back")
        code, errors = running.stop(signal.SIGTERM)
    (blind,) = (sample for sample in found if sample.name == node_metrics.COLLECTOR_BLIND.name)
    assert (blind.value, blind.labels["reason"]) == (1, "driver_released")
    assert not {gpu_metrics.GPU_BUSY.name, node_metrics.NVML_ERRORS.name} & {sample.name for sample in found}
    assert code == 0
    told = re.findall(r"driver\.\w+", errors)
    assert [each for each in told if each != "driver.absent"] == [
        "driver.open",
        "driver.released",
        "driver.release_over",
        "driver.open",
    ]


AT_THE_IMPORT = """
import os, sys

class Sender:
    def find_spec(self, name, *_):
        if name == "collector.command":
            os.kill(os.getpid(), {number:d})

sys.meta_path.insert(0, Sender())
from collector.__main__ import main
sys.exit(main(sys.argv[1:]))
"""
"""Starts the command, which gets a signal before the first of its imports that takes time."""


def early(number: int, *arguments: str) -> tuple[str, ...]:
    """The command line that does so."""
    return (sys.executable, "-c", AT_THE_IMPORT.format(number=number), "--listen-port=0", *arguments)


def test_a_request_to_let_go_while_it_still_starts_is_heeded(scenario: Path, tmp_path: Path) -> None:
    """SIGUSR1 before anything slow is imported does not kill it: it serves, and has let go of the driver."""
    command = early(signal.SIGUSR1, f"--simulate={scenario}", "--node=node-a", "--release-seconds=86400")
    with running(command, log=tmp_path / "log", says=r"serving http://127\.0\.0\.1:(\d+)/metrics") as served:
        released = {"state": "blind", "reason": "driver_released"}
        until(lambda: json.loads(get(int(served[1]), "/readyz")[1]) == released, "the driver is released")


@pytest.mark.parametrize(
    ("number", "arguments", "code"),
    [
        (signal.SIGTERM, [], 0),
        (signal.SIGINT, [], 0),
        (signal.SIGINT, ["--once"], -signal.SIGINT),
        (signal.SIGTERM, ["--once"], -signal.SIGTERM),
    ],
)
def test_a_signal_to_stop_while_it_still_starts_stops_it(
    scenario: Path, number: int, arguments: list[str], code: int
) -> None:
    """It ends in order once it serves; one look, which has nothing to put in order, ends without a traceback."""
    command = early(number, f"--simulate={scenario}", "--node=node-a", *arguments)
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, env=ENVIRONMENT)
    assert ended.returncode == code
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("library", ["pynvml", "prometheus_client", "grpc"])
@pytest.mark.parametrize("entry", ["collector.__main__", "collector"])
def test_without_its_libraries_it_says_what_to_install(library: str, entry: str) -> None:
    """Where the extra for nodes is not installed it ends with 2 and one line, whichever way it is started."""
    start = "from collector.__main__ import main; sys.exit(main(sys.argv[1:]))"
    if entry == "collector":
        start = "import runpy; runpy.run_module('collector', run_name='__main__')"
    blocked = f"import sys; sys.modules[{library!r}] = None; {start}"
    ended = subprocess.run(
        [sys.executable, "-c", blocked, "--listen-port=0", "--kubelet-socket=/none"],
        capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS, env=ENVIRONMENT,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"flopwatch-collector: {library} is missing; pip install 'flopwatch[collector]'\n"


def test_a_missing_module_of_its_own_is_a_defect() -> None:
    """What no package on the index can mend is a traceback, as any defect."""
    blocked = (
        "import sys; sys.modules['collector.loop'] = None\n"
        "from collector.__main__ import main; sys.exit(main(['--listen-port=0']))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", blocked],
        capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS, env=ENVIRONMENT,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "ModuleNotFoundError" in ended.stderr


def test_without_driver_it_is_blind(tmp_path: Path) -> None:
    """Without driver and without GPUs on the bus it serves no number about a GPU, says why, and ends with 0."""
    try:
        Driver.open().close()
    except NoDriver:
        pass
    else:
        pytest.skip("this machine has a GPU driver")
    with Running("--node=bare", f"--sysfs-root={tmp_path}") as running:
        found = samples(running.page())
        code, errors = running.stop(signal.SIGTERM)
    others = [sample for sample in found if not sample.name.startswith("flopwatch_collector_")]
    assert all(each.name == gpu_metrics.CUSTODY_EVENTS.name and each.value == 0 for each in others)
    (blind,) = (sample for sample in found if sample.name == node_metrics.COLLECTOR_BLIND.name)
    assert (blind.value, blind.labels["reason"], blind.labels["provenance"]) == (1, "no_driver", "measured")
    assert code == 0
    assert "driver.absent" in errors
    assert "Traceback" not in errors


def test_the_process_check_says_what_it_cannot_see(tmp_path: Path) -> None:
    """With the check on and no GPU to look at, it says that it has no data, and every kind of mismatch is at 0."""
    with Running("--node=bare", f"--sysfs-root={tmp_path}", "--process-check=on", f"--proc-path={tmp_path}") as running:
        found = samples(running.page())
    check = [sample for sample in found if sample.name == node_metrics.PROCESS_CHECK.name]
    mismatches = [sample for sample in found if sample.name == node_metrics.PROCESS_MISMATCHES.name]
    assert [(sample.value, sample.labels["reason"]) for sample in check] == [(0, "no_data")]
    assert {sample.labels["kind"]: sample.value for sample in mismatches} == dict.fromkeys(Mismatch, 0)


def test_a_scenario_without_processes_cannot_be_checked(scenario: Path) -> None:
    """The check on a simulated node that names no processes would check nothing: it is refused, and said why."""
    refused = run(f"--simulate={scenario}", "--node=node-a", "--process-check=on")
    assert refused.returncode == 2
    assert "names no processes for node-a" in refused.stderr


def test_gpus_without_a_driver_are_counted_by_their_place_on_the_bus(tmp_path: Path) -> None:
    """A node whose GPUs are passed through serves them as blind, under their PCI name, and the books balance."""
    write_sysfs(a_script(tmp_path, a_node(gpus=8, more="passthrough = true")), tmp_path / "sys")
    with Running("--node=bare", f"--sysfs-root={tmp_path}/sys") as running:
        until(lambda: gpu_metrics.GPU_PHYSICAL.name in running.page(), "the first tick")
        found = samples(running.page())
    (gpus,) = (sample for sample in found if sample.name == gpu_metrics.GPUS.name)
    assert (gpus.value, gpus.labels["accelerator"]) == (8, "NVIDIA GH100 [H100 SXM5 80GB]")
    (state,) = {sample.labels["state"] + " " + sample.labels["reason"] for sample in found if "state" in sample.labels}
    assert state == "blind passed_through"
    assert [sample.value for sample in found if sample.name == gpu_metrics.GPU_RESIDUAL.name] == [0]


def test_a_simulated_node_of_foreign_accelerators_is_served_as_blind(tmp_path: Path) -> None:
    """Eight Ascends and nothing else: blind GPU-seconds under vendor and number, of which nobody holds any."""
    path = a_scenario(tmp_path, f'[[nodes]]\nname = "node-a"\ngpus = 0\n{foreign()}\n')
    with Running(f"--simulate={path}", "--node=node-a", "--speed=60", "--max-gap-seconds=3600") as running:

        def seconds() -> dict[tuple[str, str, str], float]:
            page = samples(running.page())
            found = [sample for sample in page if sample.name == gpu_metrics.GPU_SECONDS.name and sample.value]
            return {
                (each.labels["accelerator"], each.labels["state"], each.labels["reason"]): each.value for each in found
            }

        until(lambda: bool(seconds()), "GPU-seconds")
        assert list(seconds()) == [("Huawei device d802", "blind", "foreign_vendor")]
        page = samples(running.page())
    assert [sample.value for sample in page if sample.name == gpu_metrics.GPUS.name] == [8]
    assert {sample.labels["provenance"] for sample in page} == {"simulated"}
    looked = once(f"--simulate={path}", "--node=node-a")
    assert (looked.returncode, looked.stderr) == (3, "")
    assert looked.stdout.count("Huawei device d802") == 8


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, when it is expected to end by itself."""
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS, env=ENVIRONMENT
    )


def test_a_port_in_use_is_code_1(scenario: Path) -> None:
    """A port that somebody else has ends it with 1 and one line on what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run(f"--simulate={scenario}", "--node=node-a", f"--listen-port={port}")
    assert ended.returncode == 1
    assert re.fullmatch(
        rf"flopwatch-collector: cannot listen on 127\.0\.0\.1:{port} \(.*in use\); "
        r"choose another --listen-host or --listen-port\n",
        ended.stderr,
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--simulate={bad}", "--node=node-a"], "must be"),
        (["--simulate={folder}/none.toml", "--node=node-a"], "none.toml"),
        (["--simulate={good}", "--node=node-z"], "'node-z' is not one of: node-a"),
        (["--holders-file={folder}/none.toml"], "cannot be read (No such file or directory)"),
        (["--holders-file={bad}"], "write [[holders]] tables and nothing else"),
        (["--bearer-token-file={folder}/none"], "--bearer-token-file"),
        (["--listen-host=0.0.0.0"], "give --bearer-token-file or --tls-client-ca-file, or listen on 127.0.0.1"),
        (["--tls-cert-file={bad}", "--tls-key-file={bad}"], "give a certificate in PEM and the key"),
        (["--speed=2"], "--speed needs --simulate"),
    ],
)
def test_what_it_cannot_use_is_code_2(scenario: Path, arguments: list[str], says: str) -> None:
    """A bad scenario, file or setting ends it with 2 and one line that says what is wrong; never a traceback."""
    bad = scenario.with_name("bad.toml")
    bad.write_text(scenario.read_text(encoding="utf-8").replace('title = "a test"', "title = 1"), encoding="utf-8")
    ended = run(*(each.format(bad=bad, good=scenario, folder=scenario.parent) for each in arguments))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("flopwatch-collector: ")
    assert ended.stderr.count("\n") == 1
    assert says in ended.stderr


def test_a_loop_that_breaks_down_ends_the_command() -> None:
    """A defect in the loop ends it with 1 and a traceback: a page that nobody adds to would look like a quiet node."""
    broken = (
        "import sys, collector.holders as holders, collector.__main__ as command\n"
        "holders.UnknownHolders.holders = lambda self: 1 / 0\n"
        "sys.exit(command.main(['--listen-port=0']))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", broken],
        capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS, env=ENVIRONMENT,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "ZeroDivisionError" in ended.stderr
    assert ended.stderr.endswith("flopwatch-collector: the loop broke down, see above; restart it\n")


@pytest.mark.parametrize("pods", [(), (a_pod(gpus=range(6)), a_pod("b", gpus=[5, 6]))])
def test_promtool_has_nothing_to_say(tmp_path: Path, pods: tuple[str, ...]) -> None:
    """Prometheus' own linter accepts the page of a node with eight GPUs as it is served, in use or not."""
    promtool = needed("promtool")
    scenario = a_scenario(tmp_path, a_node(gpus=8), a_workload(*pods) if pods else "")
    state = f"--state-file={tmp_path / 'state.json'}"
    with Running(f"--simulate={scenario}", "--node=node-a", state, "--state-interval-seconds=0") as running:
        until(lambda: gpu_metrics.GPU_BUSY.name in running.page(), "the first page that was saved")
        page = get(running.port, "/metrics")[1].decode()
    assert (holder_metrics.HELD.name in page) == bool(pods)
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=page, capture_output=True, text=True, check=False, timeout=60
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_it_serves_over_tls(scenario: Path, tmp_path: Path) -> None:
    """With a certificate and its key it serves HTTPS, says so, and a reader that trusts the authority has the page."""
    command = (*COMMAND, f"--simulate={scenario}", "--node=node-a", f"--tls-cert-file={PAIR}", f"--tls-key-file={PAIR}")
    with running(command, log=tmp_path / "log", says=r"serving https://127\.0\.0\.1:(\d+)/metrics") as served:
        reader = ssl.create_default_context(cafile=str(CA_FILE))
        response, body = ask(int(served.group(1)), "GET", "/metrics", tls=reader)
    assert response.status == 200
    assert node_metrics.COLLECTOR_INFO.name.encode() in body


def test_the_minimal_profile_has_no_series_of_a_single_gpu(scenario: Path) -> None:
    """With --metrics minimal holders are served as ever, and no series names a GPU."""
    with Running(f"--simulate={scenario}", "--node=node-a", "--metrics=minimal") as running:
        found = samples(running.page())
    assert holder_metrics.HELD.name in {sample.name for sample in found}
    assert not any("gpu_uuid" in sample.labels for sample in found)


# One look


def once(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, told to look once. The means that GPM tells need more than a tenth of a second."""
    return run("--once", "--interval-seconds=0.2", *arguments)


def test_one_look_is_a_table_and_an_end(scenario: Path) -> None:
    """With --once it prints every GPU with its holder, and ends with 0; it keeps nothing and leaves no port open."""
    before = sorted(scenario.parent.iterdir())
    looked = once(f"--simulate={scenario}", "--node=node-a", f"--state-file={scenario.parent / 'state.json'}")
    assert (looked.returncode, looked.stderr) == (0, "")
    first, *_, driver, holders = looked.stdout.splitlines()
    assert first == "node-a, simulated: 2 GPUs"
    assert re.search(
        r"\n0 .* attributed .* 50\.0 .* tenant-a/pod-0/main +t-0001\n1 .* unallocated .* nobody\n", looked.stdout
    )
    assert driver.endswith("2 of 2 GPUs read")
    assert holders == f"holders: {scenario}"
    assert sorted(scenario.parent.iterdir()) == before


def test_one_look_at_a_terminal_without_an_ellipsis(tmp_path: Path) -> None:
    """Where names are cut and the terminal knows ASCII alone, a question mark stands for the ellipsis."""
    scenario = a_scenario(tmp_path, a_node(), a_workload(a_pod("p" * 63)))
    command = [*COMMAND, "--once", f"--simulate={scenario}", "--node=node-a"]
    looked = subprocess.run(
        command, capture_output=True, check=False, timeout=PATIENCE_SECONDS,
        env={**ENVIRONMENT, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert (looked.returncode, looked.stderr) == (0, b"")
    assert b"pp?/main" in looked.stdout


def test_one_look_while_a_collector_runs(scenario: Path) -> None:
    """Beside a collector with the same settings it takes neither its port nor its state."""
    settings = (f"--simulate={scenario}", "--node=node-a", f"--state-file={scenario.parent / 'state.json'}")
    with Running(*settings, "--state-interval-seconds=0") as running_already:
        assert once(*settings, f"--listen-port={running_already.port}").returncode == 0
        found = samples(running_already.page())
    assert [sample.value for sample in found if sample.name == node_metrics.STATE_UNSAVED.name] == [0]


def test_one_look_for_programs(scenario: Path) -> None:
    """With --format json the same is JSON, means included."""
    looked = once(f"--simulate={scenario}", "--node=node-a", "--format=json")
    plain = json.loads(looked.stdout)
    assert (looked.returncode, looked.stderr, plain["every_gpu_was_read"]) == (0, "", True)
    assert [gpu["state"] for gpu in plain["gpus"]] == ["attributed", "unallocated"]
    assert 0 < plain["gpus"][0]["reading"]["tensor_active_ratio"] < 1
    assert plain["gpus"][0]["holders"][0]["pod"] == "pod-0"


def test_one_look_at_what_cannot_be_read_is_code_3(tmp_path: Path) -> None:
    """A lost GPU ends it with 3, and the table says what is lost; so does a node on which nothing is read."""
    scenario = a_scenario(tmp_path, a_node(a_fault("gpu_lost", "0s", "1h", gpus=[1])))
    looked = once(f"--simulate={scenario}", "--node=node-a")
    assert (looked.returncode, looked.stderr) == (3, "")
    assert "gpu lost" in looked.stdout
    write_sysfs(a_script(tmp_path, a_node(gpus=8, more="passthrough = true")), tmp_path / "sys")
    blind = once("--node=bare", f"--sysfs-root={tmp_path}/sys")
    assert (blind.returncode, blind.stderr) == (3, "")
    assert blind.stdout.count("passed through") >= 8


def test_one_look_with_a_holders_file(scenario: Path) -> None:
    """A file that names a GPU of another node says so."""
    path = scenario.with_name("holders.toml")
    path.write_text(
        '[[holders]]\ndevices = ["GPU-elsewhere"]\nnamespace = "a"\npod = "b"\ncontainer = "c"\n', encoding="utf-8"
    )
    looked = once(f"--holders-file={path}", f"--sysfs-root={scenario.parent}")
    assert f"holders: {path}: GPU-elsewhere not on this node" in " ".join(looked.stdout.split())


def test_one_look_that_cannot_be_had_is_code_2(scenario: Path) -> None:
    """What serving cannot use one look cannot either: 2, and one line."""
    looked = once(f"--simulate={scenario}", "--node=node-z")
    assert (looked.returncode, looked.stdout, looked.stderr.count("\n")) == (2, "", 1)


def test_one_look_with_the_process_check(tmp_path: Path) -> None:
    """With --process-check on it is made, and what it cannot see is said below the table; without, nothing is."""
    settings = ("--node=bare", f"--sysfs-root={tmp_path}")
    checked = once(*settings, "--process-check=on", f"--proc-path={tmp_path}")
    assert "\nprocesses: not all checked: no GPU's processes are told" in checked.stdout
    assert "processes" not in once(*settings).stdout


@pytest.mark.parametrize("function", ["nvmlInitWithFlags", "nvmlDeviceGetMemoryInfo", "nvmlShutdown"])
def test_one_look_at_a_driver_that_hangs_ends(scenario: Path, function: str) -> None:
    """A call that does not come back ends it with 3 and one line, after --hang-seconds; no table is made up."""
    start = (
        "import sys, threading\n"
        "from collector.simulated import driver\n"
        f"driver.FUNCTIONS[{function!r}] = lambda *_: threading.Event().wait()\n"
        "from collector.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    settings = ("--once", f"--simulate={scenario}", "--node=node-a", "--interval-seconds=0.2", "--hang-seconds=0.5")
    looked = subprocess.run(
        [sys.executable, "-c", start, *settings],
        capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS, env=ENVIRONMENT,
    )  # fmt: skip
    assert (looked.returncode, looked.stdout) == (3, "")
    # Which call it was is for another test to see: on a slow machine another one may take half a second.
    assert re.fullmatch(
        r"flopwatch-collector: \w+ has not answered for 0\.5 s; see what the kernel says \(dmesg\)\n", looked.stderr
    )


def test_a_reader_that_has_seen_enough_ends_one_look_quietly(scenario: Path) -> None:
    """Piped into what does not read it to its end, it leaves no traceback."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [*COMMAND, "--once", f"--simulate={scenario}", "--node=node-a"]
    with os.fdopen(writing, "wb") as nobody_reads:
        looked = subprocess.run(
            command, stdout=nobody_reads, stderr=subprocess.PIPE, check=False, timeout=PATIENCE_SECONDS, env=ENVIRONMENT
        )
    assert (looked.returncode, looked.stderr) == (-signal.SIGPIPE, b"")
