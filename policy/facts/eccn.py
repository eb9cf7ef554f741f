"""
ECCN 3A090 as arithmetic: a device's figures against parameters, and how near it is to a threshold.
"""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from policy.facts.accelerators import Device, Rates
from policy.facts.evidence import Source
from policy.facts.period import BEFORE_RECORDS, STILL_VALID

ENTRY, NONE, UNDETERMINED = "3A090", "none", "undetermined"


class Quantity(StrEnum):
    """What a parameter is about."""

    TPP = "tpp"
    DENSITY = "density"
    DRAM_BANDWIDTH = "dram_bandwidth_gb_per_second"
    INTERCONNECT = "interconnect_gb_per_second"


Figures = Mapping[Quantity, float | None]
"""Of one device; None: not known."""
BY_PERFORMANCE = frozenset({Quantity.TPP, Quantity.DENSITY})
"""What grows when a rate that is not known is found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One paragraph and what a device must meet for it: every bound that is there."""

    paragraph: str
    tpp_at_least: float | None = None
    tpp_below: float | None = None
    density_at_least: float | None = None
    density_below: float | None = None
    dram_bandwidth_gb_per_second_at_least: float | None = None
    interconnect_gb_per_second_at_least: float | None = None

    def bounds(self) -> Iterator[tuple[Quantity, float, bool]]:
        """Each bound: the quantity, the number, and whether it is met at or above it (else below it)."""
        for quantity in Quantity:
            for suffix, above in (("at_least", True), ("below", False)):
                bound = getattr(self, f"{quantity}_{suffix}", None)
                if bound is not None:
                    yield quantity, bound, above

    def fault(self) -> str:
        """Why the criterion cannot be meant; nothing if it can."""
        if self.paragraph in (NONE, UNDETERMINED, "unclassified"):
            return "is no paragraph"
        bounds = tuple(self.bounds())
        if not bounds:
            return "has no bound, so that everything would meet it"
        least = {quantity: bound for quantity, bound, above in bounds if above}
        for quantity, bound, above in bounds:
            if bound <= 0 or (not above and bound <= least.get(quantity, 0)):
                return f"nothing has {quantity} within {bound:g}"
        return ""

    def met(self, figures: Figures, least: Collection[Quantity] = ()) -> bool | None:
        """Whether the device meets it; None: a figure that would decide is not known. ``least``: as of Parameters."""
        answers = [_side(figures[each], bound, above, each in least) for each, bound, above in self.bounds()]
        return False if False in answers else None if None in answers else True


def _side(figure: float | None, bound: float, above: bool, least: bool) -> bool | None:
    """Whether a figure lies on the side asked for; one that is the least it can be may still lie above any bound."""
    if figure is None or (least and figure < bound):
        return None
    return (figure >= bound) is above


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """
    One version of ECCN 3A090. The first criterion that a device meets names its paragraph; none: not named by it.

    ``note_2_tpp``: below it, an item that is not designed or marketed for data centres is outside .a and .b.
    """

    criteria: tuple[Criterion, ...]
    source: Source
    note: str = ""
    valid_from: date = BEFORE_RECORDS
    valid_to: date = STILL_VALID
    note_2_tpp: float | None = None

    def paragraph(self, figures: Figures, least: Collection[Quantity] = ()) -> str:
        """
        The paragraph that the figures meet, ``none``, or ``undetermined``.

        ``least``: quantities of which the figure is the least that it can be, because not all of its parts are known.
        """
        for criterion in self.criteria:
            match criterion.met(figures, least):
                case True:
                    return criterion.paragraph
                case None:
                    return UNDETERMINED
                case False:
                    continue
        return NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewPolicy:
    """How licence applications for some destinations are looked at, by the device's figures."""

    destinations: tuple[str, ...]
    policy: str
    otherwise: str
    text: str
    source: Source
    note: str = ""
    valid_from: date = BEFORE_RECORDS
    valid_to: date = STILL_VALID
    tpp_below: float | None = None
    dram_bandwidth_gb_per_second_below: float | None = None

    def of(self, figures: Figures) -> str:
        """The policy for a device with these figures, or ``undetermined``."""
        within = Criterion(paragraph=self.policy, tpp_below=self.tpp_below)
        bandwidth, limit = figures[Quantity.DRAM_BANDWIDTH], self.dram_bandwidth_gb_per_second_below
        answers = [within.met(figures), None if bandwidth is None else limit is None or bandwidth < limit]
        if False in answers:
            return self.otherwise
        return UNDETERMINED if None in answers else self.policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Margin:
    """
    The threshold that a device is nearest to.

    ``ratio``: the distance over the threshold, below 0 where the device is below it. ``beyond``: the paragraph or the
    policy that would follow if this one figure lay on the other side; ``decides``: whether that is another one.
    """

    quantity: Quantity
    value: float
    threshold: float
    ratio: float
    beyond: str
    decides: bool


def figures_of(device: Device) -> Figures:
    """A device's figures; of a range of bandwidths the highest."""
    return {
        Quantity.TPP: None if device.tpp is None else device.tpp.value,
        Quantity.DENSITY: device.performance_density,
        Quantity.DRAM_BANDWIDTH: max(device.memory_bandwidth_gb_per_second, default=None),
        Quantity.INTERCONNECT: device.interconnect_gb_per_second,
    }


def least_of(device: Device) -> frozenset[Quantity]:
    """The quantities of which the figure may be too low, because a format's rate may be missing."""
    return frozenset() if device.rates is Rates.COMPLETE else BY_PERFORMANCE


def margins_to(parameters: Parameters, figures: Figures) -> Iterator[Margin]:
    """The margin to every bound of every criterion whose figure is known."""
    here = parameters.paragraph(figures)
    for criterion in parameters.criteria:
        for quantity, bound, _ in criterion.bounds():
            figure = figures[quantity]
            if figure is not None:
                beyond = parameters.paragraph({**figures, quantity: _other_side(figure, bound)})
                yield _margin(quantity, figure, bound, here, beyond)


def margins_to_policy(policy: ReviewPolicy, figures: Figures) -> Iterator[Margin]:
    """The margin to each limit of a review policy whose figure is known."""
    limits = {
        Quantity.TPP: policy.tpp_below,
        Quantity.DRAM_BANDWIDTH: policy.dram_bandwidth_gb_per_second_below,
    }
    for quantity, bound in limits.items():
        figure = figures[quantity]
        if bound is not None and figure is not None:
            beyond = policy.of({**figures, quantity: _other_side(figure, bound)})
            yield _margin(quantity, figure, bound, policy.of(figures), beyond)


def _margin(quantity: Quantity, value: float, threshold: float, here: str, beyond: str) -> Margin:
    ratio = (value - threshold) / threshold
    return Margin(
        quantity=quantity, value=value, threshold=threshold, ratio=ratio, beyond=beyond, decides=beyond != here
    )


def _other_side(figure: float, bound: float) -> float:
    return bound if figure < bound else math.nextafter(bound, -math.inf)
