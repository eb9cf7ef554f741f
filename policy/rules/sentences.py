"""
The sentences that reviewers read. A test holds each against its approved text.

Every one of them is here or, of a run itself, in :mod:`policy.rules.observed`.

They say what was measured and what is asked. They accuse nobody: no word for wrongdoing, no guess at a motive.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from policy.facts.evidence import Answer, Document, Layer
from policy.facts.presumed import Presumed
from policy.judgement.link import Changed
from policy.judgement.verdict import Verdict
from policy.kyc.link import LinkState
from policy.kyc.owners.listing import ListState
from policy.kyc.registers.activity import named_sentence
from policy.rules import observed
from policy.rules.finding import Comparison, Strength
from policy.rules.observed import LEAST_SHOWN_HOURS, Row
from policy.usage.window import Metering

SHOWN_NODES = 10  # a finding has all of them in a field of its own
NOT_KNOWN = "not known"

STRENGTHS = {
    Strength.CROSSED: "at or above the tier",
    Strength.MAY_HAVE_CROSSED: "possibly at or above the tier",
    Strength.NOT_EVALUABLE: "not evaluable against the tier",
}
STRENGTHS_WITHOUT_AMOUNT = {
    Strength.PRESENT: "what the rule looks for is there, and no amount decides",
    Strength.NOT_EVALUABLE: "whether what the rule looks for is there is not known, and no amount decides",
}
PRESUMED = {
    Presumed.NAMED: "named in the guidance",
    Presumed.PRESUMED: "presumed",
    Presumed.CLASSIFY: "presumed if its numbers, which are not known, meet ECCN 3A090",
    Presumed.UNKNOWN: NOT_KNOWN,
    Presumed.NO: "not presumed",
}
VERDICTS = {
    Verdict.TRAINING: "training",
    Verdict.NOT_TRAINING: "not training",
    Verdict.UNDETERMINED: "undetermined, may be training",
}
WEIGHTS = "The weights of the verdict are guesses, and how often it errs on live work is not known."
WHAT_COUNTS = (
    "Runs are judged day by day. Low end and likely value count the days judged to be training, the high end "
    f"undetermined ones as well. {WEIGHTS}"
)
SHOWN = "What is shown is of the largest of those runs of which most is certain"
SHARED = "were shared with others, or nobody could tell who held the devices"
HIGH_END_ONLY = "they count towards the high end only"
NO_AMOUNT = f"No amount of compute decides this rule. {WEIGHTS}"
STRIKING = {
    "restricted": "of E:1, E:2 or a blocking programme",
    "listed": "on a list",
    "owner_listed": "listed owners of a half or more",
    "owner_listed_rule_on": "listed owners of a half or more if the Affiliates Rule were on",
    "owner_listed_below": "a listed owner who does not count",
    "owner_possible": "an undecided match of an owner",
    "restricted_by_some": "said or possible to be of E:1, E:2 or a blocking programme",
    "controlled_by_listed": "controlled by a listed party",
    "end_use_wmd": "end use a weapon of mass destruction",
    "end_use_military_intelligence": "end use or end user military intelligence",
    "possession": "machines in the tenant's possession",
}
DIFFERING = {
    "named_hardware": "whether the policy statement names the hardware",
    "possession": "whether the machines are in the tenant's possession",
    "us_person": "whether a U.S. person supports it",
    "changed_reason": "what has changed since",
}
NO_FLAG_DECIDES = "No single one decides."
WHOEVER_USES_IT = "This is about the accelerator, whoever uses it, and says nothing of any tenant."
STANDS_ALONE = "The run has no tenant, so it adds up with no other run."


def flop_text(flop: float | None) -> str:
    """An amount of compute to three digits, as in ``5.47e20``; ``not known`` for a value that there is not."""
    if flop is None:
        return NOT_KNOWN
    if flop == 0:
        return "0"
    mantissa, exponent = f"{flop:.2e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def interval_text(low: float | None, likely: float | None, high: float | None) -> str:
    """An interval of compute, with its unit."""
    return f"{_ends(low, high)} (likely {flop_text(likely)})"


def _ends(low: float | None, high: float | None) -> str:
    if high is None:
        return f"at least {flop_text(low)} FLOP, high end {NOT_KNOWN}"
    return f"{flop_text(low)} to {flop_text(high)} FLOP"


def summary(row: Row, strength: Strength, compared: Comparison | None) -> str:
    """A finding about runs in one line."""
    begins = f"{_verdict(row)}; headquarters in scope: {row['hq_in_scope'] or NOT_KNOWN}{_whose(row)}"
    if compared is None:
        told = (*_striking(row), *observed.striking(row), _control(row))
        return "; ".join([begins, *told, STRENGTHS_WITHOUT_AMOUNT[strength]])
    return (
        f"{begins}; training compute of {compared.name}: {_ends(compared.low, compared.high)}, "
        f"{STRENGTHS[strength]} {compared.tier_name} of {flop_text(compared.tier)} FLOP"
    )


def reasons(
    row: Row,
    compared: Comparison | None,
    tier_basis: str,
    *,
    near_tier_ratio: float,
    unknown_fields: tuple[str, ...] = (),
    further_runs: Sequence[Row] = (),
) -> tuple[str, ...]:
    """The finding in full: tenant, headquarters, hardware, verdict, compute, and what was not seen or is not known."""
    return (
        f"Headquarters, by the law of {row['law_at'].isoformat()}: {row['hq_reason']}.",
        f"Tenant: {row['link_reason']}.",
        *_about_the_party(row),
        *_learnt_since(row),
        row["activity_reason"],
        f"Hardware: {row['hardware_reason'] or NOT_KNOWN + '.'}",
        f"Verdict on {row['run_id']}, from its day {row['day'].isoformat()}: "
        f"{_verdict(row)}, score {row['score']:.1f}: {_evidence(row)}.",
        *observed.about(row, near_tier_ratio),
        *_further(row, further_runs),
        *((NO_AMOUNT,) if compared is None else _amount(row, compared, tier_basis)),
        *_undecided(unknown_fields),
    )


def _whose(row: Row) -> str:
    """Where only the party that it acts for is in scope, that it is that one's."""
    own = Answer.YES in (row["hq_own"], row["hq_parent"])
    return " (of whom it acts for)" if row["hq_behalf"] == Answer.YES and not own else ""


def _striking(row: Row) -> Iterator[str]:
    """What a rule without an amount may have been asked about, where it is so or may be."""
    for name, words in STRIKING.items():
        if row[name] in (Answer.YES, ListState.POSSIBLE):
            yield f"{words}: {row[name]}"
    if row["changed"] in (Changed.WORSE, Changed.TAKEN_BACK):
        yield f"answers since the run ended: {row['changed'].replace('_', ' ')}"
    if row["flag_count"]:
        yield f"red flags: {row['flag_count']:g}"


def _about_the_party(row: Row) -> tuple[str, ...]:
    """What the file says of lists and owners, of the end use, and which flags it raises."""
    raised = int(row["flag_count"] or 0)
    flags = (f"Red flags that the file raises: {raised}. {row['flag_reason']}. {NO_FLAG_DECIDES}",) if raised else ()
    return (f"Lists and owners: {row['list_reason']}.", f"End use: {row['end_use_reason']}.", *flags)


def _learnt_since(row: Row) -> tuple[str, ...]:
    """What was known when the run ended beside what is known now, where that differs in what matters."""
    return (f"Look-back: {row['changed_reason']}.",) if row["changed_reason"] else ()


def accelerator_summary(row: Row, strength: Strength) -> str:
    """A finding about an accelerator in one line."""
    count = int(row["node_count"])
    presumed = PRESUMED[Presumed(row["presumed"])] if row["presumed"] else NOT_KNOWN
    device = row["device"] if row["device"] not in (None, row["accelerator"]) else ""
    known_as = f"{row['accelerator']} ({device})" if device else row["accelerator"]
    last = row["last_seen"].date().isoformat()
    where = f"{known_as} on {count} {'node' if count == 1 else 'nodes'}, last seen {last}"
    return f"{where}; presumed subject to the EAR: {presumed}; {_control(row)}; {STRENGTHS_WITHOUT_AMOUNT[strength]}"


def accelerator_reasons(row: Row, *, unknown_fields: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The finding in full: what the law says about the accelerator, where it stands, and since when."""
    shown = row["nodes"][:SHOWN_NODES]
    more = f" and {len(row['nodes']) - len(shown)} more" if len(row["nodes"]) > len(shown) else ""
    first, last = (row[name].date().isoformat() for name in ("first_seen", "last_seen"))
    return (
        f"Hardware: {row['hardware_reason']} {named_sentence(row['highest_paragraph'])}",
        f"Seen from {first} to {last} on {', '.join(shown)}{more}: {row['gpu_hours']:,.1f} device-hours.",
        WHOEVER_USES_IT,
        *_undecided(unknown_fields),
    )


def supposed(scenarios: Sequence[Layer]) -> tuple[str, ...]:
    """That a finding rests on what is not so, or not yet; nothing where the facts are in force."""
    if not scenarios:
        return ()
    named = "; ".join(f"{layer.name} ({layer.reason.rstrip('.')})" for layer in scenarios)
    return (f"This finding is of a scenario and not in force: {named}.",)


def overdue(documents: Sequence[Document]) -> tuple[str, ...]:
    """That the facts are older than their own review dates allow; nothing where they are not."""
    if not documents:
        return ()
    first = min(documents, key=lambda each: each.good_through)
    return (
        f"{len(documents)} of the documents behind this finding should have been read again by now, the first by "
        f"{first.good_through.isoformat()} ({first.citation}): what they say of law and hardware may be outdated.",
    )


def _control(row: Row) -> str:
    return (
        f"controlled by letter: {row['controlled_by_letter'] or NOT_KNOWN}; "
        f"ECCN 3A090 by its numbers: {row['highest_paragraph'] or NOT_KNOWN}"
    )


def _undecided(fields: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"The rule could not be decided: {name} is {NOT_KNOWN}." for name in fields)


def _verdict(row: Row) -> str:
    return VERDICTS[Verdict(row["verdict"])]


def _evidence(row: Row) -> str:
    said = [f"{piece['sentence']} ({piece['weight']:+.1f})" for piece in row["evidence"]]
    lacking = [f"too little to tell: {what}" for what in row["lacking"]]
    return "; ".join([*said, *lacking] or ["nothing speaks either way"])


def _further(row: Row, others: Sequence[Row]) -> tuple[str, ...]:
    """That there are more runs, and in what they differ from the one that is shown."""
    if not others:
        return ()
    said = [f"{SHOWN}; further runs in this finding: {len(others)}."]
    for name, words in DIFFERING.items():
        different = Counter(_differing(each, name) for each in others if each[name] != row[name])
        if different:
            counts = ", ".join(f"{answer} of {count}" for answer, count in sorted(different.items()))
            said.append(f"They differ in {words}: {_differing(row, name)} of the one shown, {counts}.")
    return tuple(said)


def _differing(row: Row, name: str) -> str:
    """One answer in which runs differ; where nothing has changed since, that is known."""
    return str(row[name] or ("nothing" if name == "changed_reason" else NOT_KNOWN))


def _amount(row: Row, compared: Comparison, tier_basis: str) -> tuple[str, ...]:
    own = (*observed.measured(row), *_unseen(row), *_no_estimate(row, compared))
    return (*_compute(row, compared, tier_basis), *own)


def _compute(row: Row, compared: Comparison, tier_basis: str) -> tuple[str, ...]:
    """What was compared with what, and what the sums count."""
    interval = interval_text(compared.low, compared.likely, compared.high)
    tier = f"tier {compared.tier_name}: {flop_text(compared.tier)} FLOP ({tier_basis})"
    alone = (STANDS_ALONE,) if row["link_state"] == LinkState.UNLINKED else ()
    return (f"Training compute of {compared.name}: {interval}; {tier}.", WHAT_COUNTS, *alone)


def _unseen(row: Row) -> tuple[str, ...]:
    unseen_hours, shared_hours = row["unobserved_seconds"] / 3600, row["shared_seconds"] / 3600
    said = []
    if unseen_hours >= LEAST_SHOWN_HOURS:
        said.append(f"{unseen_hours:,.1f} device-hours of the run were not observed; {_counting_of_unseen(row)}.")
    if shared_hours >= LEAST_SHOWN_HOURS:
        said.append(f"{shared_hours:,.1f} device-hours of the run {SHARED}; {HIGH_END_ONLY}.")
    return tuple(said)


def _counting_of_unseen(row: Row) -> str:
    """What the estimate made of them: an allocation record says who held a device, and that counts as busy."""
    if Metering.ALLOCATION.value in row["methods"]:
        return "those known from allocation records count as busy, any others towards the high end only"
    return HIGH_END_ONLY


def _no_estimate(row: Row, compared: Comparison) -> tuple[str, ...]:
    """Why a part of the compute has no estimate, or in which direction to look for the reason."""
    own = tuple(f"No estimate for a part of the run: {reason}." for reason in row["no_estimate_reasons"])
    if compared.high is None and not own:
        return (f"Another run that counts towards the compute of {compared.name} has a part without an estimate.",)
    return own
