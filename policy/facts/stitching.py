"""
What makes two pieces of work one effort: limits of likeness, and the weight of each sign.

All are guesses and say so; they are facts so that a provider can lay others over them, and so that a finding's digest
changes when they do.
"""

from dataclasses import dataclass, fields

from policy.facts.evidence import Constant
from policy.facts.tables import Reader, Written, wrong_in

FILE = "stitching.toml"
KEYS: dict[str, tuple[str, ...]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stitching:
    """Limits in the unit of each; weights in points of one score."""

    resume_seconds: Constant
    prompt_seconds: Constant
    overlap_seconds: Constant
    same_size_ratio: Constant
    same_period_ratio: Constant
    least_beats_ratio: Constant
    in_phase_ratio: Constant
    same_duty_ratio: Constant
    shared_nodes_ratio: Constant
    common_lineage_tenants: Constant
    least_device_hours: Constant
    w_lineage: Constant
    w_size: Constant
    w_prompt: Constant
    w_resumed: Constant
    w_nodes: Constant
    w_period: Constant
    w_phase: Constant
    threshold: Constant


def read_stitching(reader: Reader, written: Written) -> Stitching:
    """Read the file. Raises FactsError for a number that cannot be meant, and limits out of order."""
    stitching = reader.row(Stitching, "whole file", written)
    for field in fields(Stitching):
        row: Constant = getattr(stitching, field.name)
        if row.value < 0 or (field.name == "threshold" and row.value == 0):
            raise wrong_in(row.source.layer, f"[{field.name}]", "value", f"{row.value:g} is too small", "correct it")
        if field.name.endswith("_ratio") and row.value > 1:
            raise wrong_in(row.source.layer, f"[{field.name}]", "value", f"{row.value:g} is above 1", "give a ratio")
    if stitching.prompt_seconds.value > stitching.resume_seconds.value:
        layer = stitching.prompt_seconds.source.layer
        raise wrong_in(layer, "[prompt_seconds]", "value", "above resume_seconds", "put both in order")
    return stitching
