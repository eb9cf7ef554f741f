"""
Amounts, criteria and margins in words, for people who look facts up.
"""

from collections.abc import Mapping
from datetime import date

from policy.facts.accelerators import Device
from policy.facts.eccn import NONE, Criterion, Margin, Parameters, Quantity, ReviewPolicy, figures_of
from policy.facts.facts import Facts
from policy.facts.peaks import NoPeak
from policy.facts.period import those_of
from policy.facts.presumed import Presumed
from policy.facts.tiers import LegalThreshold

UNITS = {
    Quantity.TPP: "TPP",
    Quantity.DENSITY: "density",
    Quantity.DRAM_BANDWIDTH: "GB/s DRAM",
    Quantity.INTERCONNECT: "GB/s interconnect",
}


def figure_words(quantity: Quantity, value: float) -> str:
    """``4,800 TPP``, ``3.20 density``."""
    return f"{value:,.2f} {UNITS[quantity]}" if quantity is Quantity.DENSITY else f"{value:,.0f} {UNITS[quantity]}"


def criterion_words(criterion: Criterion) -> str:
    """``3A090.a.2: at least 1,600 TPP and at least 5.92 density``."""
    bounds = [
        f"{'at least' if above else 'below'} {figure_words(quantity, bound)}"
        for quantity, bound, above in criterion.bounds()
    ]
    return f"{criterion.paragraph}: {' and '.join(bounds)}"


def percent_words(margin: Margin) -> str:
    """``-0.5 %``: of the threshold, below 0 where the device is under it."""
    percent = margin.ratio * 100
    amount = f"{percent:+.1f}" if abs(percent) >= 0.1 or percent == 0 else f"{percent:+.1g}"
    return f"{amount} %"


def margin_words(margin: Margin) -> str:
    """``-0.5 % under 3.20 density``."""
    side = "under" if margin.ratio < 0 else "over"
    return f"{percent_words(margin)} {side} {figure_words(margin.quantity, margin.threshold)}"


def is_near(margin: Margin | None, facts: Facts) -> bool:
    """Whether the nearest threshold is so near that a rounded figure may lie beyond it, and change the answer."""
    return margin is not None and facts.control.is_edge(margin)


def amount_words(threshold: LegalThreshold) -> str:
    """``1e+25 FLOP``, or ``none``, where the text names no amount."""
    return NONE if threshold.value == "none" else f"{threshold.value:g} {threshold.unit}"


def note_two_words(parameters: Parameters) -> str:
    """What Note 2 leaves outside, if it was there."""
    limit = parameters.note_2_tpp
    if limit is None:
        return "no limit: Note 2 was not there"
    return f"below {limit:,.0f} TPP what is not designed or marketed for data centres is outside .a and .b"


def device_words(facts: Facts, device: Device) -> Mapping[str, str]:
    """What is known of a device whatever the day, by what is asked; what is not known is not there."""
    peak, board = facts.peak(device.device), facts.board_power.by_device.get(device.device)
    rates = [*device.dense_tflop_per_second.items(), *device.dense_teraop_per_second.items()]
    names = (device.device, *device.names, *device.unverified_names, *device.written_names, *device.pci)
    words = {
        "names": ", ".join(names),
        "virtual GPUs": ", ".join(f"{name} of {memory:g} GB" for name, memory in device.vgpu_names.items()),
        "one of": ", ".join(device.variants),
        "dies": ", ".join((f"{device.dies:g}", *device.die_names, *device.die_pci)) if device.dies > 1 else "",
        "dense rates": ", ".join(f"{name} {rate:g}" for name, rate in rates),
        "rates of all formats": device.rates,
        "trained in": ", ".join(device.trained_in),
        "die area": f"{device.die_area_mm2:g} mm²" if device.die_area_mm2 else "",
        "memory": ", ".join(f"{each:g} GB" for each in device.memory_gb),
        "DRAM bandwidth": ", ".join(f"{each:g} GB/s" for each in device.memory_bandwidth_gb_per_second),
        "interconnect": f"{device.interconnect_gb_per_second:g} GB/s" if device.interconnect_gb_per_second else "",
        "for data centres": device.designed_for_data_centres,
        "peak that estimates use": ""
        if isinstance(peak, NoPeak)
        else f"{peak.training_peak_flop_per_second:.3g} FLOP/s",
        "board power": f"{board.watts:g} W" if board else "",
    }
    return {asked: text for asked, text in words.items() if text}


def review_policies(facts: Facts, device: Device, day: date) -> Mapping[str, tuple[str, ReviewPolicy]]:
    """
    How an application for a device that meets ECCN 3A090 is looked at, and by which row; by destinations.

    Empty for a device that meets no paragraph, for one that is presumed to be subject to the EAR because of who
    developed it, and while no policy is in force.
    """
    found = facts.classifier.classify(device.device, day)
    if found.paragraph == NONE or found.presumed is not Presumed.NO:
        return {}
    figures, rows = figures_of(device), those_of(facts.control.review_policy, day)
    return {", ".join(row.destinations): (row.of(figures), row) for row in rows}
