from random import Random

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from support.judgement import unhurried
from support.usage import H100

from policy.frames import empty
from policy.usage.sources.gauges import SEGMENTS, nobodys_hours, seconds, spans_of, windows_of

SPACING_MS = 10_000
HOUR_MS = 3_600_000
BEGIN_MS = 400_000 * HOUR_MS
NOBODY = None


def a_segment(at: float, pod: str | None = "pod-a", device: str = "gpu-0", **different: object) -> dict[str, object]:
    """What a device said so many seconds after the beginning: half busy, and held by this pod."""
    begin = BEGIN_MS + round(at * 1000)
    values = dict.fromkeys(SEGMENTS) | {
        "device": device,
        "node": "node-a",
        "accelerator": H100,
        "workload_namespace": pod and "team-a",
        "workload_pod": pod,
        "begin_ms": begin,
        "until_ms": begin + 3 * SPACING_MS,
        "last_until_ms": begin + SPACING_MS,
        "busy_ratio": 0.5,
    }
    return values | different


def frame(*segments: dict[str, object]) -> pl.DataFrame:
    """Put segments into a frame in their schema."""
    return pl.DataFrame(list(segments), schema=SEGMENTS)


def of_pod(segments: pl.DataFrame, pod: str = "pod-a") -> dict[str, float]:
    """All that a pod used, over all windows."""
    windows = windows_of(spans_of(segments), HOUR_MS).filter(pl.col("workload_pod") == pod)
    return windows.select(pl.col(pl.Float64).sum()).row(0, named=True)


def test_a_value_holds_until_the_next() -> None:
    """Six samples, ten seconds apart, are a minute of one device; the last one holds as long as is usual."""
    used = of_pod(frame(*(a_segment(at) for at in range(0, 60, 10))))
    assert (used["held_seconds"], used["observed_seconds"], used["busy_seconds"]) == (60, 60, 30)
    assert used["energy_joules"] == used["energy_observed_seconds"] == used["shared_seconds"] == 0


def test_a_missing_value_is_unobserved() -> None:
    """A moment without a reading of busy time is held and unobserved, and never idle."""
    used = of_pod(frame(a_segment(0), a_segment(10, busy_ratio=None), a_segment(20)))
    assert (used["held_seconds"], used["observed_seconds"], used["busy_seconds"]) == (30, 20, 10)


def test_what_a_device_did_is_its_rate_over_the_time_it_is_known() -> None:
    """Each amount has the time in which its rate was read beside it; NVLink needs both directions."""
    told = {"tensor_active_ratio": 0.25, "sm_active_ratio": 0.5, "dram_active_ratio": 0.1, "power_square_watt2": 1e4}
    links = {"nvlink_receive_bytes_per_second": 3e9, "nvlink_transmit_bytes_per_second": 1e9}
    half = {"nvlink_receive_bytes_per_second": 3e9}
    used = of_pod(frame(a_segment(0, **told, **links), a_segment(10, **told, **half), a_segment(20)))
    assert (used["tensor_active_seconds"], used["tensor_observed_seconds"]) == (5, 20)
    assert (used["sm_active_seconds"], used["sm_observed_seconds"]) == (10, 20)
    assert (used["dram_active_seconds"], used["dram_observed_seconds"]) == (2, 20)
    assert (used["power_square_watt2_seconds"], used["power_observed_seconds"]) == (2e5, 20)
    assert (used["nvlink_bytes"], used["nvlink_observed_seconds"]) == (4e10, 10)


def test_what_a_shared_device_did_is_nobodys() -> None:
    """Of a device with two pods nothing but busy time is counted, whole for each."""
    both = [a_segment(at, pod, tensor_active_ratio=0.5) for at in (0, 10) for pod in ("pod-a", "pod-b")]
    assert of_pod(frame(*both))["tensor_observed_seconds"] == 0


def test_a_pod_ends_when_its_device_is_heard_without_it() -> None:
    """Neither the pod that follows nor nobody shares a moment with the pod before."""
    segments = frame(a_segment(0), a_segment(10), a_segment(20, NOBODY), a_segment(30, "pod-b"), a_segment(40, "pod-b"))
    assert of_pod(segments)["held_seconds"] == 20
    assert of_pod(segments, "pod-b")["held_seconds"] == 20
    assert nobodys_hours(spans_of(segments)) * 3600 == 10


def test_a_gap_within_a_pod_is_held_and_unobserved() -> None:
    """Three usual spacings are believed; the rest of a silence is held, and nobody read it."""
    used = of_pod(frame(a_segment(0), a_segment(500)))
    assert (used["held_seconds"], used["observed_seconds"], used["unwatched_seconds"]) == (510, 40, 0)


def test_a_gap_between_two_pods_is_unwatched_for_both() -> None:
    """Nobody saw the one end or the other begin: either may have had the device throughout."""
    segments = frame(a_segment(0), a_segment(500, "pod-b"))
    one, other = of_pod(segments), of_pod(segments, "pod-b")
    assert (one["held_seconds"], one["unwatched_seconds"]) == (30, 470)
    assert (other["held_seconds"], other["unwatched_seconds"]) == (10, 470)


def test_a_shared_device_is_shared_and_never_held() -> None:
    """Copies are one device: whole for each pod in the shared columns, and the highest value where they differ."""
    both = [a_segment(at, pod, busy_ratio=busy) for at in (0, 10) for pod, busy in (("pod-a", 0.2), ("pod-b", 0.4))]
    for pod in ("pod-a", "pod-b"):
        used = of_pod(frame(*both), pod)
        assert (used["held_seconds"], used["busy_seconds"]) == (0, 0)
        assert (used["shared_seconds"], used["shared_observed_seconds"], used["shared_busy_seconds"]) == (20, 20, 8)


def test_a_series_twice_counts_once() -> None:
    """The same pod from two scrapes is one pod, and an exporter that knows no pods takes nothing away."""
    once = of_pod(frame(a_segment(0), a_segment(10)))
    again = of_pod(frame(a_segment(0), a_segment(0), a_segment(4), a_segment(10), a_segment(10, NOBODY)))
    assert again == once


def test_windows_end_at_full_hours() -> None:
    """A span over an hour's end is cut there, and each window says from when to when it had something."""
    windows = windows_of(spans_of(frame(a_segment(3590), a_segment(3600), a_segment(3610, NOBODY))), HOUR_MS)
    first, second = windows.sort("window_start").to_dicts()
    assert (first["held_seconds"], second["held_seconds"]) == (10, 10)
    assert first["window_end"] == second["window_start"]


def test_nothing_said_is_nothing() -> None:
    """No segments are no spans and no windows."""
    assert spans_of(empty(SEGMENTS)).is_empty()
    assert windows_of(spans_of(empty(SEGMENTS)), HOUR_MS).is_empty()


words = st.lists(
    st.tuples(st.integers(0, 400), st.sampled_from(["pod-a", "pod-b", "pod-c", NOBODY])), min_size=1, max_size=30
)


@unhurried
@given(words)
def test_every_moment_of_a_device_is_counted_once(said: list[tuple[int, str | None]]) -> None:
    """From a device's first word to the end of its last, its time is heard or silent, and never both."""
    segments = frame(*(a_segment(at * 10, pod) for at, pod in said))
    spans = spans_of(segments)
    once = spans.unique(("device", "begin_ms", "end_ms"))
    whole = (max(at for at, _ in said) - min(at for at, _ in said)) * 10 + 10
    silences = spans_of(segments.with_columns(workload_pod=pl.lit("pod-a"), workload_namespace=pl.lit("team-a")))
    assert silences.select(seconds.sum()).item() == whole
    assert once.select(seconds.sum()).item() <= whole
    overlaps = once.sort("begin_ms").with_columns(before=pl.col("end_ms").shift(1))
    assert overlaps.filter(pl.col("begin_ms") < pl.col("before")).is_empty()


@unhurried
@given(words, st.randoms())
def test_the_order_of_words_does_not_matter(said: list[tuple[int, str | None]], chance: Random) -> None:
    """However an answer was sorted, the windows are the same."""
    segments = [a_segment(at * 10, pod) for at, pod in said]
    windows = windows_of(spans_of(frame(*segments)), HOUR_MS)
    chance.shuffle(segments)
    again = windows_of(spans_of(frame(*segments)), HOUR_MS)
    assert windows.sort(windows.columns).equals(again.sort(windows.columns))
