"""
How many series a page has, in both profiles, and what a fleet makes of them. Prints figures.

    PYTHONPATH=tests python tests/benchmarks/series.py [--gpus 8] [--nodes 12500] [--product NAME]

Every GPU is held by a container of its own, and nothing is shared, lost or late; trouble and ended holders add series.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from support.nodes import a_played_collector
from support.scenarios import H100, TRAINING, Moment, a_node, a_pod, a_workload

from collector.contract import DETAIL, Metric, Sample, holder_metrics
from collector.contract.holder_metrics import HOLDER_ACTIVITY, HOLDER_COUNTERS
from collector.state.file import StateFile
from collector.state.keeper import Keeper

WANTED = 120  # series on a page of the minimal profile: what a provider of 100,000 GPUs was thought to bear, a guess
REQUIRED = (
    holder_metrics.HOLDER_INFO,
    holder_metrics.HOLDER_DEVICES,
    *HOLDER_COUNTERS,
)  # by the centre, for every holder


def page(gpus: int, product: str, left_out: frozenset[Metric]) -> Sequence[Sample]:
    """What a node serves half a minute after its start."""
    moment, pods = Moment(), [a_pod(f"pod-{gpu}", gpus=[gpu], signal=TRAINING) for gpu in range(gpus)]
    with tempfile.TemporaryDirectory() as folder:
        tables = (a_node(product=product, gpus=gpus), a_workload(*pods))
        keeper = Keeper(StateFile(Path(folder, "state"), node="node-a", provenance="simulated"), interval_seconds=10)
        with a_played_collector(Path(folder), *tables, moment=moment, left_out=left_out, keeper=keeper) as collector:
            for moment.seconds in (0, 10, 20, 30):
                collector.tick()
            return collector.samples()


def kind(sample: Sample) -> str:
    """What a series is about."""
    if sample.metric in REQUIRED:
        return "holders, required"
    if sample.metric in HOLDER_ACTIVITY:
        return "holders, activity"
    return "single GPUs" if "gpu_uuid" in sample.metric.labels else "the node"


def main() -> None:
    """Count the series of both profiles."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--nodes", type=int, default=12_500)
    parser.add_argument("--product", default=H100)
    given = parser.parse_args()
    print(f"{given.gpus} GPUs with a holder each: {given.product}")
    for profile, left_out in {"full": frozenset[Metric](), "minimal": DETAIL}.items():
        kinds = Counter(map(kind, page(given.gpus, given.product, left_out)))
        series = kinds.total()
        parts = ", ".join(f"{each} {many}" for each, many in sorted(kinds.items()))
        print(f"{profile}: {series} series a node ({parts}); {series * given.nodes:,} on {given.nodes:,} nodes")
        if profile == "minimal" and series > WANTED:
            least = series - kinds["holders, activity"]
            print(
                f"that is {series - WANTED} above {WANTED}; the {len(REQUIRED)} that the centre requires of a holder "
                f"and the node's own make {least}"
            )


if __name__ == "__main__":
    main()
