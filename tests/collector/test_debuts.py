"""What a page says of counters that it has for the first time."""

from collector.debuts import Debuts


def test_a_counter_is_zero_until_it_has_stood_on_a_page() -> None:
    """Those that stood on one before are whole at once, and all are where nobody asks for a beginning."""
    debuts = Debuts(["old"])
    counts = {"old": 3, "new": 5}
    assert debuts.shown(counts, newcomers_at_zero=True) == {"old": 3, "new": 0}
    assert debuts.shown(counts, newcomers_at_zero=False) == counts
    debuts.begin(counts)
    assert debuts.shown(counts, newcomers_at_zero=True) == counts
    assert "new" in debuts
