from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.usage import START

from policy.usage.sources.span import PORTION_WINDOWS, Span, milliseconds

seconds = st.integers(0, 10_000_000)


@given(seconds, st.integers(1, 3_000_000), st.sampled_from([300, 420, 3600, 86_400]))
def test_portions_are_the_whole_span_once(since: int, length: int, window: int) -> None:
    """Whole windows lie around what was asked, no portion is larger than one answer, and each window is in one."""
    begin = START + timedelta(seconds=since)
    end = begin + timedelta(seconds=length)
    span = Span.around(begin, end, window)
    assert span.begin_ms <= milliseconds(begin) < span.begin_ms + span.window_ms
    assert span.end_ms - span.window_ms < milliseconds(end) <= span.end_ms
    portions = list(span.portions())
    assert [each.begin_ms for each in portions[1:]] == [each.end_ms for each in portions[:-1]]
    assert [moment for each in portions for moment in each.ends] == list(span.ends)
    assert all(len(each.ends) <= PORTION_WINDOWS for each in portions)
    assert all(later - earlier == span.window_ms for earlier, later in pairwise(span.ends))


def test_a_span_has_whole_windows() -> None:
    """A span that would end within a window is refused."""
    with pytest.raises(ValueError, match=r"take Span\.around"):
        Span(begin_ms=0, end_ms=90, window_ms=60)
