import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.collectors import Running, samples
from support.foreign import NAME, a_library
from support.http import until

from collector.contract import UNKNOWN_ACCELERATOR, gpu_metrics, holder_metrics, node_metrics
from collector.readings import Why

H100_UUID = "GPU-0b1c2d3e-4f50-6172-8394-a5b6c7d8e900"
H100 = "NVIDIA H100 80GB HBM3"
TOLD_AS_NUMBERS = (
    gpu_metrics.GPU_BUSY,
    gpu_metrics.GPU_POWER,
    gpu_metrics.GPU_SM_ACTIVE,
    gpu_metrics.GPU_TENSOR_ACTIVE,
    gpu_metrics.GPU_DRAM_ACTIVE,
    gpu_metrics.GPU_SM_CLOCK,
    gpu_metrics.GPU_ECC_UNCORRECTED,
    gpu_metrics.GPU_MEMORY_REPAIRS,
    gpu_metrics.GPU_MEMORY_REPAIR_PENDING,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """
    What the collector says of a library: GPUs by name, why it is blind if so, and what it tells of single GPUs.

    ``told`` has the value of every GPU that has one, by metric and in order; what is not in it is on no page.
    ``states`` are those that GPU-seconds go to. ``holds`` is the GPU that the holders file names.
    """

    gpus: Mapping[str, int]
    told: Mapping[Any, tuple[float, ...]]
    states: set[tuple[str, str]]
    blind: str = ""
    holds: str = ""


METRICS = {gpu_metrics.GPU_SM_ACTIVE, gpu_metrics.GPU_TENSOR_ACTIVE, gpu_metrics.GPU_DRAM_ACTIVE}
HEALTH = {gpu_metrics.GPU_ECC_UNCORRECTED, gpu_metrics.GPU_MEMORY_REPAIRS, gpu_metrics.GPU_MEMORY_REPAIR_PENDING}
HOPPER = {
    gpu_metrics.GPU_POWER: (300.0, 300.0),
    gpu_metrics.GPU_SM_CLOCK: (1.98e9, 1.98e9),
    **dict.fromkeys(METRICS, (0.25, 0.25)),
    **dict.fromkeys(HEALTH, (0.0, 0.0)),
}
SIMPLE = {gpu_metrics.GPU_BUSY: (0.75, 0.75), gpu_metrics.GPU_POWER: (250.0, 250.0)}
HELD, FREE = ("attributed", ""), ("unallocated", "")
EXPECTED = {
    "FULL": Expected(
        gpus={H100: 2}, told=HOPPER | {gpu_metrics.GPU_BUSY: (0.4, 0.5)}, states={HELD, FREE}, holds=H100_UUID
    ),
    "MIG": Expected(  # its two instances tell as much of what is computed as cards; it is held as if it were whole
        gpus={H100: 2},
        told=HOPPER | dict.fromkeys(METRICS, (0.25,) * 4) | {gpu_metrics.GPU_BUSY: (0.5, 0.25, 0.25)},
        states={("ambiguous", "mig_instance"), FREE},
        holds=H100_UUID,
    ),
    "MINIMAL": Expected(gpus={"NVIDIA A100-SXM4-40GB": 2}, told=SIMPLE, states={HELD, FREE}, holds="GPU-mock-0"),
    "OLD": Expected(gpus={"NVIDIA A100-SXM4-40GB": 2}, told=SIMPLE, states={HELD, FREE}, holds="GPU-mock-0"),
    "STUBS": Expected(gpus={"Mock GPU": 2}, told={}, states={("lost", "not_supported")}, blind="not_supported"),
    "REFUSING": Expected(gpus={"Mock GPU": 2}, told={}, states={("lost", "not_supported")}, blind="not_supported"),
    "ODD": Expected(
        gpus={'Mock "GPU" \\ 1': 2},
        told={gpu_metrics.GPU_BUSY: (pytest.approx((20 * 100 + 60 * 200) / 300 / 100),)},
        states={FREE},
    ),
    "TWINS": Expected(
        gpus={"Mock GPU": 1, UNKNOWN_ACCELERATOR: 1},
        told={gpu_metrics.GPU_BUSY: (0.35,)},
        states={FREE, ("lost", "driver_error")},
    ),
}


def _collector(folder: Path, library: Path, *, holds: str = "", **environment: str) -> Running:
    """The command on a node with this library and without PCI bus, where one pod holds one GPU if any."""
    holders = f'[[holders]]\ndevices = ["{holds}"]\nnamespace = "a"\npod = "b"\ncontainer = "c"\n'
    (folder / "holders.toml").write_text(holders if holds else "holders = []\n", encoding="utf-8")
    return Running(
        "--node=node-a",
        f"--sysfs-root={folder}",
        f"--holders-file={folder / 'holders.toml'}",
        LD_LIBRARY_PATH=str(library),
        **environment,
    )


def _values(found: Iterable[Any], metric: Any) -> list[float]:
    return [sample.value for sample in found if sample.name == metric.name]


def _reasons(found: Iterable[Any]) -> set[str]:
    return {sample.labels["reason"] for sample in found if sample.name == node_metrics.COLLECTOR_BLIND.name}


@pytest.mark.parametrize("what", EXPECTED)
def test_any_library_is_read_for_what_it_tells(tmp_path: Path, what: str) -> None:
    """GPUs are counted, the books balance, what was told is on the page and nothing else is, and it stops in order."""
    expected = EXPECTED[what]
    with _collector(tmp_path, a_library(tmp_path / "lib", what), holds=expected.holds) as running:
        until(lambda: _values(samples(running.page()), node_metrics.COLLECTOR_TICKS)[0] >= 5, "it goes on looking")
        found = samples(running.page())
        code, errors = running.stop(signal.SIGTERM)
    assert (code, "Traceback" in errors) == (0, False), errors
    gpus = {sample.labels["accelerator"]: sample.value for sample in found if sample.name == gpu_metrics.GPUS.name}
    assert gpus == expected.gpus
    assert _reasons(found) == {expected.blind}
    assert {metric: tuple(_values(found, metric)) for metric in TOLD_AS_NUMBERS if _values(found, metric)} == (
        expected.told
    )
    assert set(_values(found, gpu_metrics.GPU_RESIDUAL)) == {0.0}
    states = {
        (sample.labels["state"], sample.labels["reason"])
        for sample in found
        if sample.name == gpu_metrics.GPU_SECONDS.name and sample.value
    }
    assert states == expected.states
    assert bool(_values(found, holder_metrics.HELD)) == bool(expected.holds)


def test_a_driver_that_comes_late_is_taken_up(tmp_path: Path) -> None:
    """A library that is there before its kernel driver is no driver, says so, and is read as soon as it is loaded."""
    switch = tmp_path / "switch"
    library = a_library(tmp_path / "lib", "SWITCHED")
    with _collector(tmp_path, library, NVML_C_SWITCH=str(switch)) as running:
        assert _reasons(samples(running.page())) == {Why.NO_DRIVER}
        switch.touch()
        until(lambda: _reasons(samples(running.page())) == {""}, "the GPUs are read")
        switch.unlink()
        until(lambda: _reasons(samples(running.page())) == {Why.DRIVER_GONE}, "they are missed")
        found = samples(running.page())
        _, errors = running.stop(signal.SIGTERM)
    assert _values(found, gpu_metrics.GPUS) == [2.0]
    assert "driver.absent code=NVML_ERROR_DRIVER_NOT_LOADED" in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("content", [b"", b"not a library\n" * 100])
def test_a_library_that_does_not_load_is_no_driver(tmp_path: Path, content: bytes) -> None:
    """A file of that name for another machine, or none at all, is no driver; the log has the linker's own words."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / NAME).write_bytes(content)
    with _collector(tmp_path, tmp_path / "lib") as running:
        found = samples(running.page())
        _, errors = running.stop(signal.SIGTERM)
    assert _reasons(found) == {Why.NO_DRIVER}
    assert f"{NAME} cannot be loaded ({tmp_path / 'lib' / NAME}: " in errors
    assert "built for this machine's processor" in errors
    assert "Traceback" not in errors


def test_a_library_that_is_no_nvml_is_no_driver(tmp_path: Path) -> None:
    """A library without a single function of NVML is no driver, and the log says which one to put first."""
    (tmp_path / "nothing.c").write_text("int nothing;\n", encoding="utf-8")
    library = a_library(tmp_path / "lib", source=tmp_path / "nothing.c")
    with _collector(tmp_path, library) as running:
        found = samples(running.page())
        _, errors = running.stop(signal.SIGTERM)
    assert _reasons(found) == {Why.NO_DRIVER}
    assert "code=NVML_ERROR_FUNCTION_NOT_FOUND next=\"this libnvidia-ml.so.1 is no NVML: put the driver's own" in errors
    assert "Traceback" not in errors
