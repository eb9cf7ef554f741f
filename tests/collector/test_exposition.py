from collections.abc import Callable, Iterable
from typing import Any

import prometheus_client.openmetrics.parser as openmetrics
import prometheus_client.parser as text_format
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.contract import METRICS, Metric, Sample, gpu_metrics, holder_metrics
from collector.exposition import Renderer, render

OPENMETRICS = "application/openmetrics-text"
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.1"
)
Parser = Callable[[str], Iterable[Any]]
FORMATS: list[tuple[str, Parser]] = [
    ("", text_format.text_string_to_metric_families),
    (OPENMETRICS, openmetrics.text_string_to_metric_families),
]


def a_sample(metric: Metric, value: float = 1.5, label: str = "x") -> Sample:
    """One series of a metric, all of whose labels have this value."""
    return Sample(metric, (label,) * len(metric.labels), value)


def parsed(accept: str, parse: Parser, samples: Iterable[Sample]) -> list[Any]:
    """The samples that a reader gets from the page."""
    _, page = render(samples, accept)
    return [sample for family in parse(page.decode()) for sample in family.samples]


@pytest.mark.parametrize(("accept", "parse"), FORMATS)
def test_every_metric_of_the_contract_arrives(accept: str, parse: Parser) -> None:
    """Each metric comes out with its name, exactly its labels and its value, and nothing else comes with it."""
    found = parsed(accept, parse, map(a_sample, METRICS))
    assert [sample.name for sample in found] == [metric.name for metric in METRICS]
    for metric, sample in zip(METRICS, found, strict=True):
        assert set(sample.labels) == set(metric.labels)
        assert sample.value == 1.5


@pytest.mark.parametrize(("accept", "parse"), FORMATS)
def test_kinds_and_help_are_the_contracts(accept: str, parse: Parser) -> None:
    """Each family has its kind and help; in OpenMetrics also its unit."""
    _, page = render(map(a_sample, METRICS), accept)
    for metric, family in zip(METRICS, parse(page.decode()), strict=True):
        assert (family.type, family.documentation) == (metric.kind, metric.help)
        assert family.unit == (metric.unit if accept else "")


@pytest.mark.parametrize(("accept", "parse"), FORMATS)
def test_what_is_kept_is_rendered_once(accept: str, parse: Parser) -> None:
    """A page of two parts reads as one, in either format; the kept part's text changes when another one is kept."""
    renderer, first, second = Renderer(), (a_sample(gpu_metrics.GPUS, 1),), (a_sample(gpu_metrics.GPUS, 2),)

    def values(kept: tuple[Sample, ...], live: float) -> list[float]:
        _, page = renderer.render(kept, [a_sample(gpu_metrics.GPU_POWER, live)], accept)
        return [sample.value for family in parse(page.decode()) for sample in family.samples]

    assert [values(first, 5), values(first, 6), values(second, 7)] == [[1, 5], [1, 6], [2, 7]]
    assert values((), 8) == [8]


def test_openmetrics_ends_with_eof() -> None:
    """A whole OpenMetrics page ends with ``# EOF``, also one without samples."""
    for samples in ([], [a_sample(gpu_metrics.GPUS)]):
        content_type, page = render(samples, OPENMETRICS)
        assert content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
        assert page.endswith(b"# EOF\n")


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_there_are_no_created_series(accept: str) -> None:
    """No counter brings a ``_created`` series."""
    assert b"_created" not in render(map(a_sample, METRICS), accept)[1]


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4"),
        ("*/*", "text/plain; version=0.0.4"),
        ("text/plain;version=1.0.0;escaping=dots", "text/plain; version=0.0.4"),
        (PROMETHEUS, "application/openmetrics-text; version=1.0.0"),
        ("application/openmetrics-text; version=nonsense; escaping=values", "application/openmetrics-text; version=1"),
    ],
)
def test_the_reader_chooses_the_format_and_nothing_else(accept: str, content_type: str) -> None:
    """OpenMetrics for who names it; no version or escaping that a reader makes up changes a name or breaks a page."""
    found, page = render([a_sample(gpu_metrics.GPU_POWER)], accept)
    assert found.startswith(content_type)
    assert b'\nflopwatch_gpu_power_watts{gpu_uuid="x",node="x",provenance="x"} 1.5\n' in page


@pytest.mark.parametrize(("accept", "parse"), FORMATS)
@given(label=st.text(st.characters(codec="utf-8", exclude_characters="\r\x85\u2028\u2029\x0b\x0c\x1c\x1d\x1e")))
def test_label_values_survive(accept: str, parse: Parser, label: str) -> None:
    """Any text in a label, with quotes, newlines and backslashes, arrives as it was."""
    (sample,) = parsed(accept, parse, [a_sample(gpu_metrics.GPU_POWER, label=label)])
    assert set(sample.labels.values()) == {label}


@pytest.mark.parametrize(("accept", "parse"), FORMATS)
def test_awkward_label_values_are_escaped(accept: str, parse: Parser) -> None:
    """Quote, newline, backslash, and a backslash before an n are four different things."""
    awkward = 'a"b\nc\\d\\ne'
    (sample,) = parsed(accept, parse, [a_sample(gpu_metrics.GPU_POWER, label=awkward)])
    assert set(sample.labels.values()) == {awkward}
    assert b'node="a\\"b\\nc\\\\d\\\\ne"' in render([a_sample(gpu_metrics.GPU_POWER, label=awkward)], accept)[1]


@pytest.mark.parametrize(("accept", "parse"), FORMATS)
@given(value=st.floats(0, 1e15))
def test_numbers_keep_every_digit(accept: str, parse: Parser, value: float) -> None:
    """A number that is read back is the number that was served."""
    (sample,) = parsed(accept, parse, [a_sample(holder_metrics.HELD, value)])
    assert sample.value == value
