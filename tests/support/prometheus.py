"""A real Prometheus on loopback that scrapes simulated collectors and evaluates the rules every second."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from support.processes import running

REQUIRED = "FLOPWATCH_REQUIRE_PROMETHEUS"  # set where the tests must not be skipped
SPEED = 600.0  # scenario seconds per second
TICK_SECONDS = 20.0  # of the scenario, so 30 ticks a second
LONGEST_GAP_SECONDS = 1800.0  # of the scenario: three seconds for a machine that is busy with other tests
HOURS_IN = 4.5  # where the scenario begins: 7.5 s before node-e's last tenant arrives, 9 s before its GPUs are lost


def needed(program: str) -> str:
    """Where the program is; without it the test is skipped, or fails where it is required."""
    if path := shutil.which(program):
        return path
    lacking = f"{program} is not installed: it is in the Debian package prometheus"
    if os.environ.get(REQUIRED):
        pytest.fail(lacking, pytrace=False)
    pytest.skip(lacking)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One series of an answer: its labels, and its values by Unix time."""

    labels: Mapping[str, str]
    values: Mapping[float, float]

    @property
    def value(self) -> float:
        """The last value."""
        return list(self.values.values())[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prometheus:
    """The HTTP API of a running Prometheus."""

    client: httpx.Client

    def query(self, expression: str, at: float | None = None) -> list[Series]:
        """The answer at a moment, or now. A wrong expression fails the test with Prometheus' own words."""
        parameters = {"query": expression} | ({} if at is None else {"time": f"{at:.3f}"})
        answer = self.client.get("/api/v1/query", params=parameters).json()
        assert answer["status"] == "success", f"{answer.get('error')}: {expression}"
        return [_series(each) for each in answer["data"]["result"]]


def _series(answer: Mapping[str, Any]) -> Series:
    pairs = answer.get("values") or [answer["value"]]
    return Series(labels=answer["metric"], values={at: float(value) for at, value in pairs})


@contextmanager
def demo_collectors(nodes: Sequence[str], folder: Path) -> Iterator[dict[str, str]]:
    """Collectors that play these nodes of the demo's scenario at one time; their addresses by node."""
    begins_at = time.time() - HOURS_IN * 3600 / SPEED
    with ExitStack() as stack:
        scenario = stack.enter_context(as_file(files("policy.demo").joinpath("data_centre.toml")))
        command = [
            *(sys.executable, "-m", "collector", "--simulate", str(scenario), "--listen-port", "0"),
            *("--speed", str(SPEED), "--interval-seconds", str(TICK_SECONDS)),
            *("--max-gap-seconds", str(LONGEST_GAP_SECONDS), "--begins-at", str(begins_at)),
        ]
        served = {
            node: running([*command, "--node", node], log=folder / f"{node}.log", says=r"serving http://(\S+)/metrics")
            for node in nodes
        }
        yield {node: stack.enter_context(each).group(1) for node, each in served.items()}


@contextmanager
def prometheus(targets: Mapping[str, str], rules: str, folder: Path) -> Iterator[Prometheus]:
    """A Prometheus with these targets and the text of this rules file, both every second."""
    (folder / "rules.yaml").write_text(_every_second(rules), encoding="utf-8")
    with _serving(_configuration(targets), folder) as address:
        yield from _client(address)


@contextmanager
def recorded(openmetrics: str | Iterable[str], folder: Path) -> Iterator[str]:
    """A Prometheus that scrapes nothing and has had these samples, in one text or several, all along; its address."""
    program, path = needed("promtool"), folder / "recorded.txt"
    for text in [openmetrics] if isinstance(openmetrics, str) else openmetrics:
        path.write_text(text, encoding="utf-8")
        command = [program, "tsdb", "create-blocks-from", "openmetrics", str(path), str(folder / "tsdb")]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
    with _serving({}, folder) as address:
        yield f"http://{address}"


@contextmanager
def _serving(configuration: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """The program with this configuration and the folder's series, once it is ready; its host and port."""
    (folder / "prometheus.yml").write_text(yaml.safe_dump(dict(configuration)), encoding="utf-8")
    address = f"127.0.0.1:{_free_port()}"
    command = [
        *(needed("prometheus"), f"--config.file={folder / 'prometheus.yml'}"),
        *(f"--storage.tsdb.path={folder / 'tsdb'}", "--storage.tsdb.retention.time=10y"),
        *(f"--web.listen-address={address}", "--log.level=info"),
    ]
    with running(command, log=folder / "prometheus.log", says="Server is ready to receive web requests"):
        yield address


def _client(address: str) -> Iterator[Prometheus]:
    with httpx.Client(base_url=f"http://{address}", trust_env=False, timeout=10.0) as client:
        yield Prometheus(client=client)


def _configuration(targets: Mapping[str, str]) -> dict[str, Any]:
    job = {"job_name": "flopwatch", "static_configs": [{"targets": list(targets.values())}]}
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [job],
    }


def _every_second(rules: str) -> str:
    document = yaml.safe_load(rules)
    for group in document["groups"]:
        group["interval"] = "1s"
    return yaml.safe_dump(document)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
