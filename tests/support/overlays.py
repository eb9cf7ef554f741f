"""Overlays over the shipped facts, as files."""

from pathlib import Path

HEADER = """\
[overlay]
kind = "{kind}"
name = "{name}"
reason = "{reason}"
decided_on = 2026-11-01
"""
STAY_EXTENDED = """
[[switches.switch]]
id = "affiliates_rule"
title = "Affiliates Rule"
governs = "owners on lists"
[[switches.switch.state]]
state = "stayed"
sources = ["fr_90_50857"]
"""
ETHIOPIA = """
[[jurisdictions.membership]]
group = "D:5"
country = "ET"
state_from = 2021-11-01
sources = ["fr_86_60165"]
[[remove]]
table = "jurisdictions.watch"
key = ["ET", "2021-11-01"]
reason = "supposed to be settled"
"""
NEW_PART = """
[[accelerators.accelerator]]
device = "NVIDIA X1"
vendor = "NVIDIA"
designed_for_data_centres = "yes"
dense_tflop_per_second = { fp16_bf16 = 295 }
die_area_mm2 = 800
sources = ["own_choice"]
"""


def an_overlay(folder: Path, body: str, *, kind: str = "override", name: str = "ours", reason: str = "counsel") -> Path:
    """One overlay of this name in the folder, which is made."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.toml"
    path.write_text(HEADER.format(kind=kind, name=name, reason=reason) + body, encoding="utf-8")
    return path


def a_scenario(folder: Path, body: str, name: str = "what-if") -> Path:
    """One scenario."""
    return an_overlay(folder, body, kind="scenario", name=name, reason="somebody proposed it")
