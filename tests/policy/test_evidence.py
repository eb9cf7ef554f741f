"""Single pieces of evidence: when each is there, and when it is not."""

from typing import Any

import pytest
from support.judgement import HOUR, a_window, days_of, verdicts_on_days

HELD = 8 * HOUR


def signals_of(**window: Any) -> set[str]:
    """The pieces of evidence of one run of one window."""
    (row,) = verdicts_on_days(days_of(a_window(**window))).to_dicts()
    return {piece["signal"] for piece in row["evidence"]}


@pytest.mark.parametrize(
    ("levels", "comes_and_goes"),
    [
        ({"high_level_seconds": HELD}, False),
        ({"high_level_seconds": 0.94 * HELD, "low_level_seconds": 0.06 * HELD}, False),
        ({"high_level_seconds": 0.5 * HELD, "low_level_seconds": 0.5 * HELD}, True),
        ({"full_level_seconds": HELD}, False),
    ],
)
def test_only_load_that_is_low_at_times_comes_and_goes(levels: dict[str, float], comes_and_goes: bool) -> None:
    """Multiprocessors at work by four fifths throughout, with a pause now and then, are no load of requests."""
    assert ("requests" in signals_of(**levels)) is comes_and_goes
