import logging
import os
import signal
from collections.abc import Iterator
from datetime import datetime
from types import SimpleNamespace

import pytest

from policy.commands.engine import _cycles
from policy.commands.health import Health
from policy.usage.ledger import LedgerError


class AnEngine:
    """Does what it is told in each cycle; after the last one it is asked to stop."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes = list(outcomes)

    def cycle(self, _: datetime) -> object:
        """The next outcome."""
        outcome = self.outcomes.pop(0)
        if not self.outcomes:
            os.kill(os.getpid(), signal.SIGTERM)
        if outcome:
            raise outcome
        return SimpleNamespace(subjects=SimpleNamespace(height=0), findings=())


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """The handlers as they were."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_cycle_that_fails_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """A full disk or a locked database in a later cycle is said, and does not end the engine."""
    engine = AnEngine(None, LedgerError("no space"), None)
    with caplog.at_level(logging.INFO):
        _cycles(engine, 0.001, Health(patience_seconds=60), once=False)  # type: ignore[arg-type]  # as much of an engine as the loop needs
    said = [record.getMessage().split()[0] for record in caplog.records]
    assert said == ["cycle.done", "cycle.failed", "cycle.done"]


@pytest.mark.parametrize("once", [True, False])
def test_an_engine_that_cannot_begin_ends(once: bool) -> None:
    """What fails in the first cycle is a setting to correct, and ends the command."""
    with pytest.raises(LedgerError):
        _cycles(
            AnEngine(LedgerError("no space"), None),  # type: ignore[arg-type]  # as above
            0.001,
            Health(patience_seconds=60),
            once=once,
        )
