import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from support.commands import flopwatch
from support.kyc import a_file
from support.prometheus import recorded
from support.recorded import HOUR, Recorded, times
from support.usage import START, Handler, serving

from policy.__main__ import main
from policy.replay import REPLAYED

UNTIL = ("--since", "6h", "--until", "2026-06-01T06:00:00")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that has scraped sixteen GPUs of one pod, and one idle GPU, for six hours."""
    series = Recorded()
    for gpu in range(16):
        series.gpu(times(0, 6 * HOUR, 60), gpu=f"a/{gpu}", pods=["train-0"], util=95.0)
    series.gpu(times(0, 6 * HOUR, 60), gpu="a/16")
    with recorded(series.openmetrics(), tmp_path_factory.mktemp("replay")) as address:
        yield address


@pytest.fixture
def tenants(tmp_path: Path) -> Path:
    """The party of the one namespace."""
    return a_file(tmp_path, {"tenant_id": "train", "headquarters_country": "CN", "registered_country": "CN"})


def test_json_has_the_runs_and_the_source(url: str, tenants: Path) -> None:
    """A program gets the runs as for a recording, and what was read and what was missing."""
    arguments = ("--map", "tenant_id=namespace", "--tenants", tenants, "--format", "json")
    document = json.loads(flopwatch("replay", "--prometheus", url, *UNTIL, *arguments).stdout)
    (run,) = document["runs"]
    assert (run["run"], run["tenant_id"], run["hq_in_scope"]) == ("train-0", "train", "yes")
    assert run["gpu_hours"] == pytest.approx(16 * 6, rel=0.005)
    assert 0 < run["low_flop"] < run["likely_flop"] < run["high_flop"]
    assert document["law_from"] == START.date().isoformat()
    source = document["source"]
    assert (source["series"], source["gpus"], source["nodes"]) == ("dcgm", 17, 1)
    assert source["gpu_hours_without_pod"] == pytest.approx(6, rel=0.005)
    assert "kube_pod_owner" in source["remarks"][0]


def test_the_table_ends_in_what_was_found(url: str) -> None:
    """People read under the table which series there were, whose hours are nobody's, and what to do about tenants."""
    text = flopwatch("replay", "--prometheus", url, *UNTIL).stdout
    assert "1 runs, 96.0 GPU-hours" in text
    assert "Read dcgm-exporter's series of 17 GPUs on 1 nodes, 2026-06-01 00:00 to 2026-06-01 06:00." in text
    assert "6.0 GPU-hours named no pod: nobody's, and in no run." in text
    assert "96.0 GPU-hours were without a tenant; give --map tenant_id=namespace" in text
    assert text.rstrip().endswith("A finding asks for review. It does not say that any law was broken.")


def test_parquet_keeps_its_sentences_to_itself(url: str, tmp_path: Path) -> None:
    """The file has the declared schema; what there is to say goes to standard error."""
    output = tmp_path / "runs.parquet"
    done = flopwatch("replay", "--prometheus", url, *UNTIL, "--format", "parquet", "--output", output)
    assert pl.read_parquet(output).schema == REPLAYED
    assert done.stdout == ""
    assert "Read dcgm-exporter's series" in done.stderr


def test_a_namespace_table_names_tenants(url: str, tmp_path: Path) -> None:
    """A CSV given with --map is keyed by namespace."""
    table = tmp_path / "map.csv"
    table.write_text("namespace,tenant_id,workload_kind\ntrain,t-9,Job\n", encoding="utf-8")
    document = json.loads(flopwatch("replay", "--prometheus", url, *UNTIL, "--map", table, "--format", "json").stdout)
    assert [run["tenant_id"] for run in document["runs"]] == ["t-9"]


def test_nothing_in_that_time_is_an_error(url: str) -> None:
    """An empty month is said to be one, with the names that were looked for."""
    done = flopwatch("replay", "--prometheus", url, "--since", "2025-01-01", "--until", "2025-02-01", expect=2)
    (line,) = done.stderr.splitlines()
    assert "no GPU series in that time: there is no flopwatch_collector_clock_timestamp_seconds or DCGM_FI" in line


class Login(Handler):
    """A server that asks who is there."""

    def reply(self) -> None:
        """Refuse."""
        self.answer(401, "text/html", b"<html>")


ADDRESS = ("--prometheus", "http://127.0.0.1:9")
BAD = {
    "nothing": ((), "give a RECORDING or --prometheus URL, one of the two"),
    "both": (("jobs.csv", *ADDRESS), "one of the two"),
    "a password": (("--prometheus", "http://a:hunter2@b"), "give the token with --prometheus-token-file"),
    "no address": (("--prometheus", "prometheus:9090"), "is not a Prometheus' URL, as http://prometheus:9090"),
    "nobody there": (ADDRESS, "check the address"),
    "a login": (("--prometheus", "{login}"), "HTTP 401: it wants a bearer token"),
    "no token": ((*ADDRESS, "--prometheus-token-file", "none.token"), "--prometheus-token-file none.token: cannot be"),
    "a start": ((*ADDRESS, "--start", "2026-01-01"), "--start goes with a RECORDING"),
    "since for a recording": (("jobs.csv", "--since", "3d"), "--since goes with --prometheus"),
    "a time that is none": ((*ADDRESS, "--since", "soon"), "'soon' is neither a time such as 30d or 12h nor a date"),
    "a time to come": ((*ADDRESS, "--since", "2026-06-02", "--until", "2026-06-01"), "is not before 2026-06-01 00:00"),
    "a step too short": ((*ADDRESS, "--step", "10s"), "--step: 0:00:10 is not from 5m to 1d"),
    "a step that is none": ((*ADDRESS, "--step", "hour"), "'hour' is not a time, as 30d, 12h or 90m"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_one_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, nothing on standard output, and one line that says what to do."""
    arguments, words = BAD[name]
    with serving(Login) as login:
        try:
            code = main(["replay", *(each.format(login=login) for each in arguments)])
        except SystemExit as ended:
            code = int(ended.code or 0)
    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    (line,) = filter(None, said.err.splitlines())
    assert words in line
    assert "hunter2" not in line
