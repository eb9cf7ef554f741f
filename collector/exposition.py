"""
Samples of the wire contract become a Prometheus or OpenMetrics page. The collector's one door to prometheus_client.
"""

from collections.abc import Iterable, Iterator

from prometheus_client import exposition
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from collector.contract import Metric, Sample

OPENMETRICS = "application/openmetrics-text"
END = b"# EOF\n"

Family = CounterMetricFamily | GaugeMetricFamily


class _Page(Collector):
    """The one thing prometheus_client's encoders ask for: families to render, once."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples = samples

    def collect(self) -> Iterator[Family]:
        families: dict[Metric, Family] = {}
        for sample in self._samples:
            if sample.metric not in families:
                families[sample.metric] = _family(sample.metric)
            families[sample.metric].add_metric(sample.label_values, sample.value)
        yield from families.values()


def render(samples: Iterable[Sample], accept: str) -> tuple[str, bytes]:
    """
    The page and its content type: OpenMetrics where the ``Accept`` header names it, else the older text format.

    OpenMetrics ends with ``# EOF``, so a reader can tell a whole page from a truncated one. No ``_created`` series.
    Versions and escaping schemes that a reader asks for are not followed: every name in the contract is plain.
    """
    encoder, content_type = exposition.choose_encoder(OPENMETRICS if OPENMETRICS in accept else "")
    return content_type, encoder(_Page(samples))


class Renderer:
    """Renders pages of which a part is the same for some time, and renders that part once."""

    def __init__(self) -> None:
        self._remembered: dict[str, tuple[tuple[Sample, ...], bytes]] = {}

    def render(self, kept: tuple[Sample, ...], live: Iterable[Sample], accept: str) -> tuple[str, bytes]:
        """The page of both, as :func:`render` has it; no metric may be in both. ``kept`` is known by being the same."""
        content_type, body = render(live, accept)
        known, text = self._remembered.get(content_type, ((), b""))
        if known is not kept:
            _, text = render(kept, accept)
            text = text.removesuffix(END)
            self._remembered[content_type] = kept, text
        return content_type, text + body


def _family(metric: Metric) -> Family:
    if metric.kind == "counter":
        return CounterMetricFamily(
            metric.name.removesuffix("_total"), metric.help, labels=metric.labels, unit=metric.unit
        )
    return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels, unit=metric.unit)
