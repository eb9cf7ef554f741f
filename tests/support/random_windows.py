"""Any usage windows that could be, for properties that hold of all of them."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from support.judgement import H100, HOUR, START, a_window

from policy.usage.window import RHYTHM

KINDS = ("PyTorchJob", "Deployment", "StatefulSet", None)
ACCELERATORS = (H100, "NVIDIA A100-SXM4-80GB")
INSIDE = ("sm", "tensor", "dram")
ratio = st.sampled_from([0.0, 0.01, 0.05, 0.16, 0.3, 0.4, 0.6, 0.65, 0.9, 0.97, 1.0])
"""On both sides of every limit that there is."""
known_ratio = st.sampled_from([1.0, 1.0, 1.0, 1.0, 0.9, 0.0])
"""Most readings are there for the whole time, or nothing would ever be called not training."""


@st.composite
def activity(draw: st.DrawFn, held: float) -> dict[str, Any]:
    """What a window may tell of this many device-seconds: each reading for a part of the time, or for none of it."""
    observed = held * draw(known_ratio)
    told: dict[str, Any] = {"observed_seconds": observed, "busy_seconds": observed * draw(ratio)}
    for name in INSIDE:
        known = held * draw(known_ratio)
        told |= {f"{name}_observed_seconds": known, f"{name}_active_seconds": known * draw(ratio)}
    known, watts = held * draw(known_ratio), 700 * draw(ratio)
    told |= {"energy_observed_seconds": known, "energy_joules": known * watts}
    told |= {"power_observed_seconds": known, "power_square_watt2_seconds": known * watts * watts * (1 + draw(ratio))}
    known = held * draw(known_ratio)
    told |= {"nvlink_observed_seconds": known, "nvlink_bytes": known * 4e10 * draw(ratio)}
    known = held * draw(known_ratio)
    told |= {"memory_observed_seconds": known, "memory_byte_seconds": known * 8e10 * draw(ratio)}
    level = draw(st.sampled_from(["idle", "low", "high", "full"]))
    return told | {f"{level}_level_seconds": observed, "synchrony_ratio": draw(st.sampled_from([None, 0.0, 0.9]))}


@st.composite
def windows(draw: st.DrawFn, *, most: int = 6) -> list[dict[str, Any]]:
    """Up to ``most`` hours of one pod that does two things in turn."""
    devices = draw(st.sampled_from([1.0, 8.0]))
    kind, accelerator = draw(st.sampled_from(KINDS)), draw(st.sampled_from(ACCELERATORS))
    does = [draw(activity(devices * HOUR)) for _ in range(2)]
    return [
        a_window(
            devices=devices,
            workload_kind=kind,
            accelerator=accelerator,
            window_start=START + timedelta(hours=number), **does[number % 2],
        )
        for number in range(draw(st.integers(1, most)))
    ]  # fmt: skip


LEVELS = ("idle_level_seconds", "low_level_seconds", "high_level_seconds", "full_level_seconds")
LOST = {
    "busy": ("observed_seconds", "busy_seconds", *LEVELS),
    "sm": ("sm_observed_seconds", "sm_active_seconds"),
    "tensor": ("tensor_observed_seconds", "tensor_active_seconds"),
    "dram": ("dram_observed_seconds", "dram_active_seconds"),
    "energy": (
        "energy_observed_seconds", "energy_joules", "power_observed_seconds", "power_square_watt2_seconds",
    ),
    "nvlink": ("nvlink_observed_seconds", "nvlink_bytes"),
    "memory": ("memory_observed_seconds", "memory_byte_seconds"),
    "rhythm": RHYTHM,
}  # fmt: skip
"""What is lost with a reading."""


def without(row: dict[str, Any], reading: str) -> dict[str, Any]:
    """The window as it were if this reading had been missing in it."""
    return row | dict.fromkeys(LOST[reading], None if reading == "rhythm" else 0.0)


@st.composite
def losses(draw: st.DrawFn, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same windows with any readings lost in any of them."""
    lost = list(rows)
    for place in range(len(rows)):
        for reading in draw(st.sets(st.sampled_from(sorted(LOST)), max_size=3)):
            lost[place] = without(lost[place], reading)
    return lost
