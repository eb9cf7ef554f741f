"""
What is said of a run itself: how it came about, what was seen beside the verdict, and how its compute was measured.

Like all sentences that reviewers read these accuse nobody. A pattern or a contradiction stands beside what else would
look so.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from policy.facts.evidence import Answer

Row = Mapping[str, Any]

LEAST_SHOWN_HOURS = 0.05  # below it the hours would read 0.0
METHODS = {
    "tensor": "the time in which tensor pipes worked",
    "sm": "the time in which multiprocessors had work",
    "power": "busy time, less what draws no more power than an idle board",
    "busy": "the time in which a kernel ran",
    "allocation": "the time for which devices were held, of whose activity nothing is known",
    "unseen": "the time in which nobody saw what its devices did, in the high end only",
}
"""What time the estimate of policy.judgement.full_rate rests on."""
WHAT_ENDS_MEAN = (
    "If it was training, the low end is what training reaches of that time at least, and the high end is what the "
    "devices could have done at most in it and in all the time that nobody saw."
)
NO_FORMAT = "No number format is declared, so the high end is at the peak of the densest that the devices have."
DECLARED_FORMATS = (
    "Where the tenant has declared its number format ({}), the whole interval is at that format's peak, on its word; "
    "elsewhere the high end is at the peak of the densest that the devices have."
)
DECLARED = {
    "training": "training",
    "inference": "inference",
    "training_and_inference": "training and inference",
    "other": "something that is neither training nor inference",
}
LOOKS_CONTRADICTED = (
    "A file that is out of date, a plan that has changed, and another team of the tenant's would look so too; and the "
    "verdict may err"
)
WHAT_A_PATTERN_IS = "a pattern has no weight in the verdict"


def about(row: Row, near_tier_ratio: float) -> tuple[str, ...]:
    """Of which pieces the run is, its start-up, its patterns, what the tenant has declared, and its group's efforts."""
    of_the_group = _of_the_group(row, near_tier_ratio)
    return (*_pieces(row), *_start_up(row), *_patterns(row), *_declared_use(row), *of_the_group)


def measured(row: Row) -> tuple[str, ...]:
    """How the compute of the run was measured, and what its ends mean; nothing where there is no estimate."""
    if not row["methods"]:
        return ()
    known = "; ".join(words for name, words in METHODS.items() if name in row["methods"])
    return (f"Compute of {row['run_id']} is estimated from {known}. {WHAT_ENDS_MEAN} {_formats(row)}",)


def striking(row: Row) -> Iterator[str]:
    """The same in a few words, for a summary; what is as usual is left out."""
    if row["declared_use_contradicted"] == Answer.YES:
        yield f"declared use: {_declared(row)}"
    if row["patterns"]:
        yield f"patterns: {', '.join(_name(each) for each in row['patterns'])}"
    if row["unobserved_seconds"] / 3600 >= LEAST_SHOWN_HOURS and row["unobserved_ratio"] is not None:
        yield f"not observed: {_percent(row['unobserved_ratio'])} of its device time"
    if row["near_tier_runs"]:
        yield f"efforts of its group that ended a little below a tier: {row['near_tier_runs']:g}"


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.0f} %"


def _formats(row: Row) -> str:
    if not row["number_formats"]:
        return NO_FORMAT
    names = ", ".join(row["number_formats"])
    return DECLARED_FORMATS.format(names)


def _pieces(row: Row) -> Iterator[str]:
    """That several names count as one, and that people can undo it."""
    if row["piece_count"] > 1:
        names = f"{row['piece_count']:g} names"
        yield f"{row['run_id']} is one effort over {names}, which were stitched; people can undo each stitch."
    if row["effort_id"] != row["run_id"]:
        yield f"With runs of other tenants it counts as one effort, {row['effort_id']}; people can undo each stitch."


def _start_up(row: Row) -> Iterator[str]:
    hours = row["init_seconds"] / 3600
    if hours >= LEAST_SHOWN_HOURS:
        yield (
            f"Start-up: {hours:,.1f} device-hours passed before anything ran on the devices for the first time; they "
            "count as held, and not as idle."
        )


def _patterns(row: Row) -> Iterator[str]:
    for each in row["patterns"]:
        said = f"Pattern {_name(each)}: {each['sentence']}. Innocent explanations: {each['innocent']}."
        yield f"{said} It is something to ask about: {WHAT_A_PATTERN_IS}."


def _name(pattern: Mapping[str, Any]) -> str:
    return str(pattern["pattern"]).replace("_", " ")


def _declared_use(row: Row) -> Iterator[str]:
    if row["declared_use_contradicted"] == Answer.YES:
        yield (
            f"Declared use: the tenant declares {_declared(row)}, and what was observed is judged to be training. "
            f"{LOOKS_CONTRADICTED}."
        )


def _declared(row: Row) -> str:
    return DECLARED.get(row["declared_workload"], "nothing")


def _of_the_group(row: Row, near_tier_ratio: float) -> Iterator[str]:
    """How many efforts the group's sum is made of, and how many of them ended near one tier."""
    if (row["group_runs"] or 0) > 1:
        share = row["group_largest_share"]
        largest = (
            "which share the largest has is not known" if share is None else f"the largest has {_percent(share)} of it"
        )
        yield f"The high end of the group is that of {row['group_runs']:g} efforts; {largest}."
    if row["near_tier_runs"]:
        from_here = _percent(near_tier_ratio)
        yield (
            f"Efforts of the group that have ended with a likely value from {from_here} of one and the same tier "
            f"up to it: {row['near_tier_runs']:g}. The likely value is less exact than that distance."
        )
