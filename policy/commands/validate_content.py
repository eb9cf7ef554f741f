"""What ``flopwatch validate --format json`` prints: every figure, and every row that it was made of."""

from policy.validation import kinds
from policy.validation.figures import Share, coverage, near
from policy.validation.folder import MODELS, POWER
from policy.validation.validation import Estimated, Validation


def validation_content(found: Validation) -> dict[str, object]:
    """Every figure, for programs."""
    return {
        "bars": [
            {
                "file": bar.about,
                "name": bar.name,
                "figure": bar.figure,
                "least": bar.least,
                "most": bar.most,
                "outcome": bar.outcome.value,
            }
            for bar in found.bars
        ],
        **{each.file: _estimated(each) for each in (found.runs, found.benchmarks, found.lines)},
        MODELS: {"inside": _counted(coverage(found.models)), "rows": found.models.to_dicts()},
        "verdicts": {
            "counts": kinds.counts(found.verdicts).to_dicts(),
            "shares": {name: _counted(share) for name, share in kinds.rates(found.verdicts).items()},
            "abstentions": kinds.abstentions(found.verdicts).to_dicts(),
            "rows": found.verdicts.to_dicts(),
        },
        POWER: found.power.to_dicts(),
        "unusable": [{"file": each.file, "row": each.row, "reason": each.reason} for each in found.unusable],
        "faults": dict(found.faults),
    }


def _estimated(found: Estimated) -> dict[str, object]:
    shares = {"inside": _counted(coverage(found.compared)), "near": _counted(near(found.compared))}
    return {"figures": found.figures.to_dicts(), **shares, "rows": found.compared.to_dicts()}


def _counted(share: Share) -> dict[str, object]:
    return {"count": share.count, "total": share.total, "ratio": share.ratio, "wilson_95": share.interval}
