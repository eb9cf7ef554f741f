"""
Keeps a collector's state over restarts: what to go on from at the start, and when to save.

How long no collector ran is what the monotonic clock says, which no setting of the clock touches, as long as the node
has not been booted since the last save. After a boot only the wall clock can say, and it can be wrong, so two answers
of it are not taken. One that says that less than no time has passed: the counters go on and nothing is added, for how
long it was is not known. One that says that more than LONGEST_DOWN_SECONDS have passed: the file is set aside and the
counters begin anew, so that nothing is added that may never have been; the centre has a clock of its own and says what
nobody watched. A clock that a boot put ahead by less than that is believed.

A disk that cannot be written is a state and a metric: the collector goes on, and tries again at the next save.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from collector.clock import Clock
from collector.contract import Sample, node_metrics
from collector.readings import Absent
from collector.state.file import CannotLoad, CannotSave, Found, State, StateFile, Unsaved

log = logging.getLogger("flopwatch.collector")

NANOSECONDS = 1_000_000_000
LONGEST_DOWN_SECONDS = 31 * 86_400.0
"""A node is not believed to have been switched off for longer. A guess: beyond it a wrong clock is likelier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What a collector goes on from, and how long no collector ran before it."""

    state: State
    down_ns: int


class Keeper:
    """
    The state file of one collector and how saving it goes. ``save`` is for one thread.

    ``is_on_disk`` says whether a collector that starts after this one finds some state.
    """

    def __init__(self, file: StateFile, *, interval_seconds: float) -> None:
        self._file = file
        self._interval_ns = round(interval_seconds * NANOSECONDS)
        self._saved_at_ns: int | None = None
        self._saved_unix = 0.0
        self._unsaved: Unsaved | None = None
        self._found = Found.NONE
        self.is_on_disk = False

    def resume(self, clock: Clock) -> Resumed:
        """The saved state, or one that begins now; says in the log which, and why."""
        path = self._file.path
        try:
            state = self._file.load()
            found, down_ns = self._gap(state, clock)
        except CannotLoad as problem:
            level = logging.INFO if problem.found is Found.NONE else logging.WARNING
            log.log(
                level, "state.begins_anew path=%s found=%s problem=%r", self._file.path, problem.found, str(problem)
            )
            return self._resumed(begun(clock), problem.found)
        log.info("state.loaded path=%s found=%s down_seconds=%.3f", path, found, down_ns / NANOSECONDS)
        self._saved_unix, self.is_on_disk = state.clock_unix, True
        return self._resumed(state, found, down_ns)

    def is_due(self, now_ns: int) -> bool:
        """Whether a save is due at this moment of the monotonic clock: the first, and one every interval."""
        return self._saved_at_ns is None or now_ns - self._saved_at_ns >= self._interval_ns

    def save(self, state: State, now_ns: int) -> bool:
        """Whether a collector that starts after this one finds this state."""
        self._saved_at_ns = now_ns
        try:
            self._file.save(state)
        except CannotSave as problem:
            if problem.reason is not self._unsaved:
                log.warning("state.unsaved reason=%s problem=%r", problem.reason, str(problem))
            self._unsaved = problem.reason
            self.is_on_disk = self.is_on_disk or problem.replaced
            return problem.replaced
        if self._unsaved is not None:
            log.info("state.saved_again path=%s", self._file.path)
        self._unsaved, self._saved_unix, self.is_on_disk = None, state.clock_unix, True
        return True

    def samples(self, where: tuple[str, str]) -> Iterator[Sample]:
        """How keeping goes, as it stands now."""
        reason = "" if self._unsaved is None else self._unsaved
        yield Sample(node_metrics.STATE_FOUND, (*where, self._found), 1)
        yield Sample(node_metrics.STATE_SAVED, where, self._saved_unix)
        yield Sample(node_metrics.STATE_UNSAVED, (*where, reason), 0 if self._unsaved is None else 1)

    def _resumed(self, state: State, found: Found, down_ns: int = 0) -> Resumed:
        self._found = found
        return Resumed(state=state, down_ns=down_ns)

    def _gap(self, state: State, clock: Clock) -> tuple[Found, int]:
        """How long no collector ran. Raises ``CannotLoad`` for an answer that is not to be believed."""
        elapsed_ns = clock.elapsed_ns() - state.elapsed_ns
        if not isinstance(state.epoch, Absent) and state.epoch == clock.epoch() and elapsed_ns >= 0:
            return Found.LOADED, elapsed_ns
        seconds = clock.unix_seconds() - state.clock_unix
        if seconds > LONGEST_DOWN_SECONDS:
            self._file.set_aside(Found.IMPLAUSIBLE_GAP)
            raise CannotLoad(Found.IMPLAUSIBLE_GAP, f"saved {seconds:.0f} s ago, by this node's clock")
        if seconds < 0:
            log.warning("state.clock_backwards seconds=%.3f next=%r", -seconds, "set the node's clock")
            return Found.CLOCK_BACKWARDS, 0
        return Found.LOADED, round(seconds * NANOSECONDS)


def begun(clock: Clock) -> State:
    """The state of a collector whose counters begin now."""
    now_unix = clock.unix_seconds()
    return State(began_unix=now_unix, clock_unix=now_unix, elapsed_ns=clock.elapsed_ns(), epoch=clock.epoch())
