"""What the engine says when a document that its facts rest on passes its day."""

import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.engines import an_engine

LAST_GOOD_DAY = datetime(2026, 9, 30, 23, 0, tzinfo=UTC)  # Cyprus's suspension, by its own text
STAY_ENDED = datetime(2026, 11, 10, 1, 0, tzinfo=UTC)  # the Affiliates Rule's


def test_it_is_said_on_the_day_and_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing while all are good; one line with every id when another one is past its day; the facts stay in force."""
    engine = an_engine(tmp_path)
    said = []
    for at in (LAST_GOOD_DAY, STAY_ENDED.replace(month=10), STAY_ENDED.replace(month=10, hour=2), STAY_ENDED):
        caplog.clear()
        with caplog.at_level(logging.INFO, logger="flopwatch.engine"):
            engine.cycle(at)
        said.append([line for line in caplog.messages if line.startswith("facts.stale")])
    what_next = "'flopwatch facts check' tells what rests on them"
    assert said == [
        [],
        [f"facts.stale documents=state_cyprus_2025, {what_next}"],
        [],
        [f"facts.stale documents=state_cyprus_2025,fr_90_50857, {what_next}"],
    ]
