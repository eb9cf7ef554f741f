import os
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pynvml
import pytest
from support.scenarios import (
    CONSTANT,
    H100,
    Moment,
    a_driver,
    a_fault,
    a_node,
    a_pod,
    a_scenario,
    a_script,
    a_workload,
    an_xid,
    foreign,
)

from collector.readings import Absent, Reading, Why
from collector.simulated.driver import SimulatedDriver, installed
from collector.simulated.playback import ScriptedHolders
from collector.simulated.scenario import ScenarioError, load_scenario

HEAD = 'title = "t"\nstart = 2026-06-01T00:00:00Z\nduration = "2h"\n'
ONLY_FOREIGN = f'[[nodes]]\nname = "node-a"\ngpus = 0\n{foreign()}\n'
SERIES = """t_s,gpu,power_w,util_pct,mem_mib
0,0,100,10,1000
0,1,200,20,2000
5,0,150.5,15,1500
5,1,250,,2500
10,0,120,30,3000
10,1,300,40,
"""


def _recording(folder: Path, text: str, *, gpus: int = 2, more: str = "") -> str:
    (folder / "series.csv").write_text(text, encoding="utf-8")
    return a_pod(gpus=range(gpus), signal=f'{{ kind = "recording", file = "series.csv"{more} }}')


def test_a_scenario_has_its_date_and_nodes(tmp_path: Path) -> None:
    """Title, start with offset, duration in seconds and the nodes by name are there to use."""
    scenario = load_scenario(a_scenario(tmp_path, a_node(), a_node(name="node-b"), duration="1.5h"))
    assert (scenario.title, scenario.duration_seconds) == ("a test", 5400)
    assert scenario.start == datetime(2026, 6, 1, tzinfo=UTC)
    assert scenario.node("node-b").node_name == "node-b"
    with pytest.raises(ScenarioError, match="node-a, node-b"):
        scenario.node("node-c")


def test_the_same_file_always_plays_the_same(tmp_path: Path) -> None:
    """Hardware, holders and varying signals are equal in every load, and differ between nodes."""
    serving = '{ kind = "serving", busy_mean = 0.5, power = 0.5, memory = 0.5 }'
    path = a_scenario(tmp_path, a_node(), a_node(name="node-b"), a_workload(a_pod(signal=serving)))
    one, two = load_scenario(path), load_scenario(path)
    for first, second in zip(one.nodes, two.nodes, strict=True):
        assert first.gpus == second.gpus
        assert first.holders(60) == second.holders(60)
        assert [first.state(0, t) for t in range(0, 7200, 61)] == [second.state(0, t) for t in range(0, 7200, 61)]
    gpus = [gpu for node in one.nodes for gpu in node.gpus]
    assert len({gpu.gpu_uuid for gpu in gpus}) == len({gpu.serial for gpu in gpus}) == 4


def test_known_names_give_known_hardware(tmp_path: Path) -> None:
    """The identifiers made from names are these, so that nothing recorded from a scenario goes stale."""
    (gpu, *_) = a_script(tmp_path, a_node()).gpus
    assert gpu.gpu_uuid == "GPU-769d7dfb-11a6-5ad9-8586-16c4dc26305b"
    assert (gpu.pci_bus_id, gpu.serial) == ("00000000:0A:00.0", "9985761472603")


def test_holders_follow_the_pods(tmp_path: Path) -> None:
    """A device has the holders of this moment: none, one, or several that share it."""
    pods = (a_pod("one", gpus=[0, 1], end="1h"), a_pod("two", gpus=[1], start="30m"))
    script = a_script(tmp_path, a_node(gpus=3), a_workload(*pods))
    names = {
        minute: [[holder.pod for holder in script.holders(minute * 60).get(gpu.gpu_uuid, ())] for gpu in script.gpus]
        for minute in (0, 30, 60, 120)
    }
    assert names == {
        0: [["one"], ["one"], []],
        30: [["one"], ["one", "two"], []],
        60: [[], ["two"], []],
        120: [[], [], []],
    }


def test_a_holder_carries_workload_and_claim(tmp_path: Path) -> None:
    """A holder names its pod, workload and tenant; without a claim the tenant is absent."""
    workloads = (
        a_workload(a_pod("a")),
        a_workload(a_pod("b", gpus=[1]), name="other", namespace="tenant-b", tenant_id=""),
    )
    held = a_script(tmp_path, a_node(), *workloads).holders(0)
    assert not isinstance(held, Absent)
    (claimed,), (unclaimed,) = held.values()
    assert (claimed.workload_kind, claimed.workload_name, claimed.tenant_id) == ("PyTorchJob", "job", "t-0001")
    assert claimed.container == "main"
    assert unclaimed.tenant_id == Absent(Why.NOT_CLAIMED)
    assert len({claimed.pod_uid, unclaimed.pod_uid, claimed.workload_uid, unclaimed.workload_uid}) == 4


def test_a_pod_in_two_phases_is_one_pod(tmp_path: Path) -> None:
    """A pod listed twice, one time after the other, keeps its uid and changes its signal."""
    script = a_script(tmp_path, a_node(), a_workload(a_pod(end="1h"), a_pod(start="1h", signal='{ kind = "idle" }')))
    assert script.holders(0) == script.holders(3600)
    before, after = script.state(0, 3599), script.state(0, 3600)
    assert not isinstance(before, Absent)
    assert not isinstance(after, Absent)
    assert (before.busy_ratio, after.busy_ratio) == (0.5, 0.0)


def test_holders_can_be_unknown(tmp_path: Path) -> None:
    """During that fault holders are Absent, which is not 'nobody'; the devices read on."""
    moment = Moment(60)
    script = a_script(tmp_path, a_node(a_fault("holders_unknown", "1m", "2m")), a_workload(a_pod()))
    holders = ScriptedHolders(script, moment)
    assert holders.holders() == Absent(Why.HOLDERS_UNKNOWN)
    assert not isinstance(script.state(0, 60), Absent)
    moment.seconds = 120
    assert holders.holders() == script.holders(0)


def test_expected_belongs_to_others(tmp_path: Path) -> None:
    """A top-level table called expected may hold anything."""
    assert load_scenario(a_scenario(tmp_path, a_node(), "[expected.findings]\nanything = [1, 2]\n")).nodes


@pytest.mark.parametrize(
    ("text", "table", "field", "advice"),
    [
        ("title = ", "top level", "file", "TOML"),
        ('title = "t"\n', "top level", "start", "is missing; write a date"),
        (HEAD.replace("Z", ""), "top level", "start", "offset"),
        (HEAD.replace('"2h"', '"2 hours"'), "top level", "duration", '"90s", "15m"'),
        (HEAD.replace('"2h"', "inf"), "top level", "duration", '"90s", "15m"'),
        (HEAD.replace('"2h"', "true"), "top level", "duration", '"90s", "15m"'),
        (HEAD.replace('"t"', "1"), "top level", "title", "text in quotes"),
        (HEAD, "top level", "nodes", r"write at least one \[\[nodes\]\]"),
        (HEAD + "nodes = 3\n", "top level", "nodes", r"\[\[nodes\]\] tables"),
        (HEAD + "spped = 3\n" + a_node(), "top level", "spped", "unknown here; known are duration, expected"),
        (HEAD + a_node() + a_node(), r"nodes[1]", "name", "there already"),
        (HEAD + a_node(product="H100"), "nodes[0]", "product", "choose one of NVIDIA H100 80GB HBM3"),
        (HEAD + a_node(gpus=0), "nodes[0]", "gpus", "from 1 to 16"),
        (HEAD + a_node(more="migg = true"), "nodes[0]", "migg", "known are"),
        (HEAD + a_node(more="mig = 1"), "nodes[0]", "mig", "true or false"),
        (HEAD + a_node(a_fault("gpu_melted", "0s", "1s")), "nodes[0].faults[0]", "kind", "choose one of gpu_lost"),
        (HEAD + a_node(a_fault("gpu_lost", "0s", "1s")), "nodes[0].faults[0]", "gpus", "is missing"),
        (HEAD + a_node(a_fault("gpu_lost", "0s", "1s", gpus=[2])), "nodes[0].faults[0]", "gpus", "has no GPU 2"),
        (HEAD + a_node(a_fault("driver_gone", "2s", "1s")), "nodes[0].faults[0]", "to", "after from"),
        (HEAD + a_node(a_fault("driver_gone", "0s", "3h")), "nodes[0].faults[0]", "to", "not after the end"),
        (HEAD + a_node(a_fault("driver_gone", "0s", "1s", gpus=[0])), "nodes[0].faults[0]", "gpus", "unknown here"),
        (HEAD + a_node(an_xid(0, "1s")), "nodes[0].faults[0]", "code", "whole number from 1 to 999"),
        (HEAD + a_node(an_xid(79, "3h")), "nodes[0].faults[0]", "at", "not be after the end"),
        (HEAD + a_node(an_xid(79, "1s", gpus=[2])), "nodes[0].faults[0]", "gpus", "has no GPU 2"),
        (HEAD + a_node(more=foreign("d802")), "nodes[0].foreign[0]", "pci", 'written like "19e5:d802"'),
        (HEAD + a_node(more=foreign(kind="0x1200")), "nodes[0].foreign[0]", "class", 'written like "1200"'),
        (HEAD + a_node(more=foreign("19e5:a250")), "nodes[0].foreign[0]", "pci", "no accelerator of the table"),
        (HEAD + a_node(more=foreign(kind="0200")), "nodes[0].foreign[0]", "pci", "d802 of class 0200 is no"),
        (HEAD + a_node(more=foreign("10de:2330", kind="0302")), "nodes[0].foreign[0]", "pci", "not foreign"),
        (HEAD + a_node(more=foreign(count=0)), "nodes[0].foreign[0]", "count", "from 1 to 64"),
        (HEAD + a_node(more=foreign(more=', driver = "nvidia"')), "nodes[0].foreign[0]", "driver", "davinci"),
        (HEAD + a_node(more=foreign(more=', driver = "a/b"')), "nodes[0].foreign[0]", "driver", "davinci"),
        (HEAD + a_node(more=foreign(more=", gpus = 1")), "nodes[0].foreign[0]", "gpus", "unknown here"),
        (HEAD + a_node(gpus=0, more=foreign()), "nodes[0]", "product", "unknown here; known are foreign, gpus, name"),
        (HEAD + ONLY_FOREIGN + a_workload(a_pod()), "workloads[0].pods[0]", "gpus", "has no GPU 0; it has none"),
        (HEAD + a_node() + a_workload(a_pod(node="node-x")), "workloads[0].pods[0]", "node", "it has node-a"),
        (HEAD + a_node() + a_workload(a_pod(gpus=[])), "workloads[0].pods[0]", "gpus", "different GPU indices"),
        (HEAD + a_node() + a_workload(a_pod(gpus=[1, 1])), "workloads[0].pods[0]", "gpus", "different GPU indices"),
        (HEAD + a_node() + a_workload(a_pod(gpus=[2])), "workloads[0].pods[0]", "gpus", "0 to 1"),
        (HEAD + a_node() + a_workload(a_pod(), a_pod()), "workloads[0].pods[1]", "name", "one after the other"),
        (HEAD + a_node() + a_workload() + a_workload(), "workloads[1]", "name", "under one"),
        (
            HEAD + a_node() + a_workload(a_pod()) + a_workload(a_pod(gpus=[1]), name="b"),
            "workloads[1].pods[0]",
            "name",
            "another workload",
        ),
        (HEAD + a_node() + a_workload(a_pod(signal="3")), "workloads[0].pods[0]", "signal", "table"),
    ],
)
def test_a_wrong_scenario_says_where_and_what_to_do(
    tmp_path: Path, text: str, table: str, field: str, advice: str
) -> None:
    """Every mistake is one error that names file, table and field, and what to write there."""
    path = tmp_path / "scenario.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError, match=advice) as wrong:
        load_scenario(path)
    assert (wrong.value.file, wrong.value.table, wrong.value.field) == (path, table, field)
    assert str(wrong.value).startswith(f"{path}: {table}, {field}: ")


@pytest.mark.parametrize(
    ("signal", "field", "advice"),
    [
        ("{ busy = 1 }", "kind", "is missing"),
        ('{ kind = "mining" }', "kind", "choose one of training, serving, constant, idle, recording"),
        (CONSTANT.replace("0.25", "25"), "memory", "not percent"),
        (CONSTANT.replace("0.25", "true"), "memory", "ratio"),
        (CONSTANT.replace("}", ", bussy = 1 }"), "bussy", "unknown"),
        ('{ kind = "training", busy = 1, power = 1, memory = 1, period = "5s", dip = "5s" }', "dip", "shorter"),
        (CONSTANT.replace("}", ", tensor = 35 }"), "tensor", "not percent"),
        (CONSTANT.replace("}", ', tensor_pipe = "fp8" }'), "tensor_pipe", "choose one of hmma, imma, dfma"),
        ('{ kind = "serving", busy_mean = 1, power = 1, memory = 1, slot = "0s" }', "slot", "half a day"),
        ('{ kind = "recording", file = "series.csv", trace = "x" }', "trace", "no trace 'x'"),
    ],
)
def test_a_wrong_signal_says_where_and_what_to_do(tmp_path: Path, signal: str, field: str, advice: str) -> None:
    """Mistakes in a signal name its table and field."""
    (tmp_path / "series.csv").write_text(SERIES, encoding="utf-8")
    with pytest.raises(ScenarioError, match=advice) as wrong:
        a_script(tmp_path, a_node(), a_workload(a_pod(signal=signal)))
    assert (wrong.value.table, wrong.value.field) == ("workloads[0].pods[0].signal", field)


def test_a_file_that_is_not_there_is_a_scenario_error(tmp_path: Path) -> None:
    """A missing file is named like any other mistake."""
    with pytest.raises(ScenarioError, match="not readable"):
        load_scenario(tmp_path / "none.toml")


def test_a_recording_plays_row_by_row(tmp_path: Path) -> None:
    """Values hold until the GPU's next row; power and memory arrive exactly, busy time as the mean since before."""
    script = a_script(tmp_path, a_node(), a_workload(_recording(tmp_path, SERIES)))
    reserved = script.product.memory_reserved_bytes
    with a_driver(script, moment := Moment()) as driver:
        first, second = driver.devices()
        seen = []
        for moment.seconds in (0, 5, 9.9, 10, 15, 15.1):
            reading = driver.reading(first)
            assert isinstance(reading, Reading)
            assert isinstance(reading.memory_used_bytes, int)
            mib = (reading.memory_used_bytes - reserved) / 2**20
            seen.append((reading.power_watts, reading.busy_ratio, mib, reading.energy_joules))
        assert seen == [
            (100.0, 0.1, 1000, 0.0),
            (150.5, pytest.approx(0.1), 1500, pytest.approx(500, abs=1e-3)),
            (150.5, pytest.approx(0.15), 1500, pytest.approx(1237.45, abs=1e-3)),
            (120.0, pytest.approx(0.15), 3000, pytest.approx(1252.5, abs=1e-3)),
            (70.0, pytest.approx(0.3), 0, pytest.approx(1852.5, abs=1e-3)),
            (70.0, 0.0, 0, pytest.approx(1859.5, abs=1e-3)),
        ]
        moment.seconds = 10
        driver.reading(second)
        moment.seconds = 10.1
        assert driver.reading(second).busy_ratio == 0.4
        moment.seconds = 12
        assert driver.reading(second).memory_used_bytes == Absent(Why.NO_DATA)


def test_a_recording_repeats_if_told(tmp_path: Path) -> None:
    """With loop the series begins anew at its end, and energy goes on."""
    script = a_script(tmp_path, a_node(), a_workload(_recording(tmp_path, SERIES, more=", loop = true")))
    assert script.state(0, 15 * 100 + 6) == script.state(0, 6)
    assert script.energy_joules(0, 1500) == pytest.approx(100 * 1852.5)


def test_a_column_without_values_is_not_supported(tmp_path: Path) -> None:
    """A board that never said its power has neither power nor energy; a single gap is only 'no data'."""
    series = "t_s,gpu,power_w,util_pct,mem_mib\n0,0,,10,100\n5,0,,,100\n"
    with a_driver(
        a_script(tmp_path, a_node(), a_workload(_recording(tmp_path, series, gpus=1))), moment := Moment(1)
    ) as driver:
        reading = driver.reading(driver.devices()[0])
        moment.seconds = 5
        driver.reading(driver.devices()[0])
        moment.seconds = 6
        gap = driver.reading(driver.devices()[0])
        assert driver.errors == {("nvmlDeviceGetUtilizationRates", "NVML_ERROR_NO_DATA"): 1}
    assert isinstance(reading, Reading)
    assert isinstance(gap, Reading)
    assert reading.power_watts == reading.energy_joules == Absent(Why.NOT_SUPPORTED)
    assert (reading.busy_ratio, gap.busy_ratio) == (0.1, Absent(Why.NO_DATA))


def test_one_of_several_traces(tmp_path: Path) -> None:
    """With a trace column the trace is chosen by name, and has to be."""
    series = "trace,t_s,gpu,power_w,util_pct,mem_mib\na,0,0,100,1,1\nb,0,0,200,2,2\n"
    script = a_script(tmp_path, a_node(), a_workload(_recording(tmp_path, series, gpus=1, more=', trace = "b"')))
    state = script.state(0, 0.5)
    assert not isinstance(state, Absent)
    assert state.power_watts == pytest.approx(200)
    with pytest.raises(ScenarioError, match="has several: a, b"):
        a_script(tmp_path, a_node(), a_workload(_recording(tmp_path, series, gpus=1)))


@pytest.mark.parametrize(
    ("text", "where", "column", "advice"),
    [
        (SERIES.replace("power_w", "watts"), "row 1", "column power_w", "header must be t_s,gpu"),
        (SERIES.replace("mem_mib", "mem_mib,x"), "row 1", "column x", "header must be t_s,gpu"),
        (SERIES.splitlines()[0] + "\n", "row 1", "column t_s", "no rows"),
        (SERIES.replace("150.5", "hot"), "row 4", "column power_w", "must be a number, or empty"),
        (SERIES.replace("150.5", "nan"), "row 4", "column power_w", "finite"),
        (SERIES.replace("150.5", "800"), "row 4", "column power_w", "limits of NVIDIA H100"),
        (SERIES.replace("150.5,15", "150.5,101"), "row 4", "column util_pct", "0 to 100"),
        (SERIES.replace("1500", "81500"), "row 4", "column mem_mib", "0 to 81080"),
        (SERIES.replace("5,0,150", "0,0,150"), "row 4", "column t_s", "later than the row before"),
        (SERIES.replace("5,0,150", ",0,150"), "row 4", "column t_s", "later than the row before"),
        (SERIES.replace("5,0,150", "5,0.5,150"), "row 4", "column gpu", "number of a GPU"),
        (SERIES.replace("5,0,150.5", "5,0"), "row 4", "column row", "cells"),
        (SERIES.replace("1500", "1500,9"), "row 4", "column row", "cells"),
    ],
)
def test_a_wrong_recording_says_row_and_column(tmp_path: Path, text: str, where: str, column: str, advice: str) -> None:
    """Every mistake in a recording names file, row and column."""
    with pytest.raises(ScenarioError, match=advice) as wrong:
        a_script(tmp_path, a_node(), a_workload(_recording(tmp_path, text)))
    assert (wrong.value.file, wrong.value.table, wrong.value.field) == (tmp_path / "series.csv", where, column)


def test_a_recording_is_of_a_whole_board(tmp_path: Path) -> None:
    """Nothing shares a device with a recording, and a recording has a series for every device of its pod."""
    recorded = _recording(tmp_path, SERIES)
    with pytest.raises(ScenarioError, match="whole board"):
        a_script(tmp_path, a_node(), a_workload(recorded, a_pod("other")))
    with pytest.raises(ScenarioError, match="2 GPUs, the pod has 3"):
        a_script(tmp_path, a_node(gpus=3), a_workload(_recording(tmp_path, SERIES, gpus=3)))
    with pytest.raises(ScenarioError, match="not readable"):
        a_script(tmp_path, a_node(), a_workload(recorded.replace("series.csv", "none.csv")))


def _recorded_data() -> Path:
    named = os.environ.get("FLOPWATCH_RECORDED_DATA")
    return Path(named) if named else Path(__file__).parents[2].parent / "shared" / "data"


def test_measured_training_comes_back_through_pynvml(tmp_path: Path) -> None:
    """A measured series of eight H100 equals its rows after playback: power to the mW, memory to the byte."""
    source = _recorded_data() / "gpu_series.parquet"
    if not source.exists():
        pytest.skip("no recorded series here; FLOPWATCH_RECORDED_DATA names the folder of gpu_series.parquet")
    rows = pl.read_parquet(source).filter(pl.col("trace") == "h100_ckpt100")
    rows.write_csv(tmp_path / "series.csv")
    signal = '{ kind = "recording", file = "series.csv", trace = "h100_ckpt100" }'
    script = a_script(tmp_path, a_node(gpus=8), a_workload(a_pod(gpus=range(8), signal=signal)))
    with installed(SimulatedDriver(script, moment := Moment())):
        pynvml.nvmlInit()
        devices = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(8)]
        assert pynvml.nvmlDeviceGetName(devices[0]) == H100
        for row in rows.iter_rows(named=True):
            moment.seconds, device = row["t_s"], devices[row["gpu"]]
            assert pynvml.nvmlDeviceGetPowerUsage(device) == round(row["power_w"] * 1000)
            assert abs(pynvml.nvmlDeviceGetUtilizationRates(device).gpu - row["util_pct"]) <= 0.5 + 1e-9
            memory = pynvml.nvmlDeviceGetMemoryInfo(device, version=pynvml.nvmlMemory_v2)
            assert memory.used == row["mem_mib"] * 2**20
        pynvml.nvmlShutdown()
