"""Holds the pages of a played day against its truth."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from support.truth_sums import Key, Truth

from collector import contract
from collector.contract import gpu_metrics, holder_metrics, node_metrics

Page = Mapping[tuple[str, ...], float]
"""Values by metric name and label values."""

ACCURACY = 0.005  # of a holder's seconds, over the day
BEGINNING_AT_ZERO = {
    *(metric for metric in (*gpu_metrics.METRICS, *holder_metrics.METRICS) if metric.kind == "counter"),
    node_metrics.NVML_ERRORS,
}
ROUNDING = 1e-6  # seconds are served as floats, and a cut card's are divided to the nanosecond
OF_ONE_PROCESS = {metric.name for metric in contract.OF_THIS_PROCESS}
"""Counters that begin with each process, by the contract."""
WHAT = {
    holder_metrics.HELD.name: "held",
    holder_metrics.SHARED.name: "shared",
    holder_metrics.UNWATCHED.name: "unwatched",
}


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something on a page that cannot be true: when, what, and in which series."""

    at: int
    what: str
    key: Key
    found: float
    least: float
    most: float


def accounts(page: Page) -> dict[Key, float]:
    """The seconds of a page, by the truth's names for their series."""
    found = Counter[Key]()
    for (name, *labels), value in page.items():
        if name == gpu_metrics.GPU_SECONDS.name:
            found["state", labels[3], labels[4]] += value
        elif name in WHAT:
            found[WHAT[name], *labels[2:7]] += value
    return found


def total(page: Page, metric: contract.Metric) -> float:
    """The sum of a metric's series."""
    return sum(value for (name, *_), value in page.items() if name == metric.name)


def _states(found: Mapping[Key, float], *which: str) -> Iterator[float]:
    """The seconds of these states, or of all."""
    return (value for key, value in found.items() if key[0] == "state" and (not which or key[1] in which))


class Checker:
    """Takes the page after every tick, in order, and keeps what is wrong with it."""

    def __init__(self, truth: Truth) -> None:
        self.complaints: list[Complaint] = []
        self.looks = 0
        self._truth = truth
        self._steps = iter(truth.steps)
        self._published = {step.end: step.published for step in truth.steps if step.watched}
        self._page: Page = {}
        self.found: dict[Key, float] = {}
        self._least, self._most = Counter[Key](), Counter[Key]()
        self._at_zero = Counter[Key]()

    def look(self, at: int, page: Page) -> None:
        """The page as it was served right after the tick at this moment."""
        self.looks += 1
        self._pass_time(at)
        self._never_wrong(at, page)
        if self._published.get(at):
            self._compare(at, accounts(page))
        else:
            self._stands_still(at, page)
        self._page = page

    def glance(self, at: int, page: Page) -> None:
        """
        The page of a collector that has not ticked yet.

        A newcomer's 0 that its predecessor had not saved is not on it: with it nothing is lost.
        """
        self._at_zero.clear()  # what was saved when a series stood at 0 has it at 0 once more
        self._page = {key: value for key, value in self._page.items() if value or key in page}
        self._never_wrong(at, page)
        self._stands_still(at, page)
        self._page = page

    def finish(self) -> None:
        """At the end of the day: what each holder has, to the accuracy that is promised."""
        truth = {key: value for key, value in self._truth.totals().items() if value > 0}
        for key in {*truth, *self.found}:
            if key[0] == "held":
                self._within("at the end", self._truth.end, key, self.found.get(key, 0.0), truth.get(key, 0.0))
        for name, seconds in self._truth.held_by_name().items():
            seen = sum(value for key, value in self.found.items() if key[0] != "state" and key[2] == name)
            if seen < seconds * (1 - ACCURACY):
                self._complain(self._truth.end, "cleared", ("name", name), seen, seconds, seen)

    def _never_wrong(self, at: int, page: Page) -> None:
        """What holds for any page of any day."""
        for key, value in self._page.items():
            is_counter = contract.BY_NAME[key[0]].kind == "counter" and key[0] not in OF_ONE_PROCESS
            if is_counter and page.get(key, -1) < value:
                self._complain(at, "fell", key, page.get(key, -1), value, value)
        for key, value in page.items():
            if key[0] == gpu_metrics.GPU_RESIDUAL.name and value != 0:
                self._complain(at, "residual", key, value, 0, 0)
            if key not in self._page and value and contract.BY_NAME[key[0]] in BEGINNING_AT_ZERO:
                self._complain(at, "begins", key, value, 0, 0)
        found = accounts(page)
        self._equal(at, "states", sum(_states(found)), total(page, gpu_metrics.GPU_PHYSICAL))
        taken = sum(_states(found, "attributed", "lost"))
        held = sum(value for key, value in found.items() if key[0] == "held")
        if held > taken + self._kept_back(found) + ROUNDING:
            self._complain(at, "counted twice", ("held",), held, 0, taken)

    def _pass_time(self, at: int) -> None:
        """Let the truth go on up to this tick, unless the collector dies before it has saved it."""
        while at in self._published:
            step = next(self._steps)
            least, most = self._truth.bounds(step)
            self._least.update(least)
            self._most.update(most)
            if step.watched and step.end == at:
                break

    def _stands_still(self, at: int, page: Page) -> None:
        """Nothing is published that a successor would not find."""
        self._equal(at, "unsaved", total(page, gpu_metrics.GPU_PHYSICAL), sum(_states(self.found)))

    def _compare(self, at: int, found: Mapping[Key, float]) -> None:
        physical = float(self._truth.day.cards * at)
        self._between(at, "physical", sum(_states(found)), physical - self._kept_back(found), physical)
        for key in {*self._least, *self._most, *found}:
            grown = found.get(key, 0.0) - self.found.get(key, 0.0)
            if grown > self._most[key] + ROUNDING:
                self._complain(at, "too much", key, grown, self._least[key], self._most[key])
            if found.get(key) == 0 and self._at_zero[key] < 1:
                self._at_zero[key] += 1
                continue  # its series has just begun, with 0: what it is given by now comes with the next page
            if grown < self._least[key] - ROUNDING:
                self._complain(at, "too little", key, grown, self._least[key], self._most[key])
            del self._least[key], self._most[key]
        self.found = dict(found)

    def _kept_back(self, found: Mapping[Key, float]) -> float:
        """How much of the GPUs' time a page may lack, because the series of its states have just begun, with 0."""
        return sum(self._most[key] for key, value in found.items() if key[0] == "state" and not value)

    def _within(self, what: str, at: int, key: Key, found: float, truth: float) -> None:
        if abs(found - truth) > ACCURACY * truth + ROUNDING:
            self._complain(at, what, key, found, truth * (1 - ACCURACY), truth * (1 + ACCURACY))

    def _equal(self, at: int, what: str, found: float, right: float) -> None:
        self._between(at, what, found, right, right)

    def _between(self, at: int, what: str, found: float, least: float, most: float) -> None:
        if not least - ROUNDING <= found <= most + ROUNDING:
            self._complain(at, what, (), found, least, most)

    def _complain(self, at: int, what: str, key: Key, found: float, least: float, most: float) -> None:
        self.complaints.append(Complaint(at, what, tuple(key), found, least, most))
