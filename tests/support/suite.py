"""Judge what the generated suite says, and tell how the verdicts stand to the truth."""

from collections.abc import Mapping
from datetime import datetime

import polars as pl
from support.judgement import FACTS
from support.kyc import customers_of

from policy.judge import Judgement, judge
from policy.judgement.inventory import inventory_of
from policy.judgement.settled import NOTHING_SETTLED, Settled
from policy.judgement.stitch import NO_WORDS, StitchWord
from policy.kyc.customers import Customers
from policy.rules.pack import load_pack

PACK = load_pack()
CUSTOMERS = customers_of()


def judged(
    windows: pl.DataFrame,
    *,
    customers: Customers = CUSTOMERS,
    words: Mapping[str, StitchWord] = NO_WORDS,
    settled: Settled = NOTHING_SETTLED,
    at: datetime | None = None,
) -> Judgement:
    """Judge windows the program's own way; as of their end unless the test says otherwise."""
    end = at or windows["window_end"].max()
    assert isinstance(end, datetime)
    inventory = inventory_of(windows)
    return judge(windows, inventory, customers=customers, facts=FACTS, pack=PACK, at=end, words=words, settled=settled)


def confusion(cases: pl.DataFrame, *by: str) -> pl.DataFrame:
    """How many cases of each truth, and of each of ``by``, have which verdict."""
    counts = cases.group_by("truth", *by, "verdict").len()
    return counts.pivot("verdict", index=["truth", *by], values="len").fill_null(0).sort("truth", *by)


def told(cases: pl.DataFrame) -> str:
    """The cases with their evidence, a line each, for a test that fails."""
    rows = cases.select("workload_name", "verdict", "score", "evidence", "lacking").sort("workload_name")
    return "\n".join(
        f"{name}: {verdict} at {score:.1f}: {', '.join(_pieces(evidence))} {'; '.join(lacking)}"
        for name, verdict, score, evidence, lacking in rows.iter_rows()
    )


def _pieces(evidence: list[dict[str, object]]) -> list[str]:
    return [f"{piece['signal']} {piece['value']:.3g} ({piece['weight']:+.1f})" for piece in evidence]
