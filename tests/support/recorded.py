"""Series with known truth, as a Prometheus has recorded them: dcgm-exporter's, and those of collectors."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from support.usage import H100, START, ANode

Labels = tuple[tuple[str, str], ...]
SPACING = 30  # seconds between two scrapes, unless a test says otherwise
HOUR = 3600
JOB = "dcgm-exporter"


@dataclass
class Recorded:
    """Samples by series; times are seconds from the tests' START."""

    series: dict[tuple[str, Labels], dict[float, float]] = field(default_factory=dict)

    def put(self, metric: str, labels: Mapping[str, str], at: float, value: float) -> None:
        """Add one sample. A label without text is no label, as in Prometheus."""
        key = (metric, tuple(sorted((name, text) for name, text in labels.items() if text)))
        self.series.setdefault(key, {})[at] = value

    def gpu(
        self,
        times: Iterable[float],
        *,
        gpu: str,
        pods: Iterable[str] = ("",),
        util: float | None = 50.0,
        more: Mapping[str, float] | None = None,
        **different: str,
    ) -> None:
        """
        What dcgm-exporter says of one GPU at these times: a copy for each pod, or one series without a pod.

        ``different`` are labels; those that are empty are left off. The namespace is the pod's name up to its dash.
        """
        values = {"DCGM_FI_DEV_GPU_UTIL": util, "DCGM_FI_DEV_POWER_USAGE": 400.0, "DCGM_FI_DEV_FB_USED": 1024.0}
        values |= more or {}
        for at in times:
            for pod in pods:
                labels = labels_of(gpu, pod) | different
                for metric, value in values.items():
                    if value is not None:
                        self.put(metric, labels, at, value)

    def page(self, node: ANode, instance: str, /, **different: str) -> None:
        """What a scrape of this collector brings, at the collector's own moment."""
        for sample in node.samples():
            names = dict(zip(sample.metric.labels, sample.label_values, strict=True))
            labels = {"job": "flopwatch", "instance": instance, **names, **different}
            self.put(sample.metric.name, labels, node.now, sample.value)

    def openmetrics(self) -> str:
        """The text that promtool makes blocks of."""
        return "\n".join([*self._lines(), "# EOF", ""])

    def _lines(self) -> Iterator[str]:
        named: dict[str, list[tuple[Labels, dict[float, float]]]] = {}
        for (metric, labels), samples in self.series.items():
            named.setdefault(metric, []).append((labels, samples))
        for metric, found in named.items():
            yield f"# TYPE {metric} unknown"
            for labels, samples in found:
                text = ",".join(f'{name}="{value}"' for name, value in labels)
                for at, value in sorted(samples.items()):
                    yield f"{metric}{{{text}}} {value} {START.timestamp() + at:.3f}"


def labels_of(gpu: str, pod: str, **different: Any) -> dict[str, str]:
    """The labels of a GPU called node/number as dcgm-exporter gives them, its pod's under their plain names."""
    node, _, number = gpu.partition("/")
    holder = {"namespace": pod.partition("-")[0], "pod": pod, "container": "main"} if pod else {}
    return {
        "job": JOB,
        "instance": f"{node}:9400",
        "gpu": number,
        "UUID": f"GPU-{node}-{number}",
        "device": f"nvidia{number}",
        "modelName": H100,
        "Hostname": node,
        **holder,
        **different,
    }


def times(begin: float, end: float, spacing: float = SPACING) -> list[float]:
    """Every moment of scraping from ``begin`` on, before ``end``; a scrape is never at a full hour."""
    first = begin // spacing * spacing + 7.0
    moments = [first + spacing * number for number in range(int((end - begin) / spacing) + 2)]
    return [moment for moment in moments if begin <= moment < end]
