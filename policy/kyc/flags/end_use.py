"""
What the file says of the end use: a statement, and the two questions that the law asks.

A weapon of mass destruction, and military intelligence as end use or end user (15 CFR 744.2 to 744.4 and 744.22), are
asked apart from everything else that is known of a tenant. One source that says yes is a yes, whatever others say; a no
is one only where somebody said it and nobody said otherwise. A no is the tenant's word, and nothing here weighs it.

A statement is there where a day of signing up to the day asked about, what it covers, and in what office it was signed
are in the file; how old it may be is a limit of the red flags.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from policy.facts.evidence import Answer
from policy.kyc.flags.history import days_up_to
from policy.kyc.reply import Reply
from policy.kyc.statements import Statement
from policy.kyc.view import View

PARTS = {
    "end_use_signed_on": "its day",
    "end_use_scope": "what it covers",
    "end_use_signatory": "in what office it was signed",
}
"""What an end-use statement has, by predicate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndUse:
    """The two questions, and whether there is a statement."""

    wmd: Reply
    military_intelligence: Reply
    statement: Reply


def end_use(view: View, tenant_id: str, at: date, *, before: View | None = None) -> EndUse:
    """
    What is said of a tenant's end use on a day.

    ``before``: what was once held to be true as well, for a statement that was signed again since then.
    """
    return EndUse(
        wmd=_asked(view, tenant_id, at, "end_use_wmd", "a weapon of mass destruction"),
        military_intelligence=_asked(view, tenant_id, at, "end_use_military_intelligence", "military intelligence"),
        statement=_statement(view, tenant_id, at, before),
    )


def signed_on(view: View, tenant_id: str, at: date, before: View | None = None) -> tuple[Statement, ...]:
    """The statements that tell a day of signing, none of them after the day asked about; the newest day first."""
    now, earlier = (each.ever(tenant_id, "end_use_signed_on") if each else () for each in (view, before))
    return days_up_to(now, (*now, *earlier), at)


def _asked(view: View, tenant_id: str, at: date, predicate: str, about: str) -> Reply:
    said = view.of(tenant_id, predicate, at)
    answers = {each.value for each in said}
    sources = tuple(each.line for each in said)
    if Answer.YES.value in answers:
        reason = f"a source says that {about} is the end use or end user{_contradicted(said)}"
        return Reply(answer=Answer.YES, reason=reason, path=(tenant_id,), sources=sources)
    if answers:
        reason = f"said not to be for {about}"
        return Reply(answer=Answer.NO, reason=reason, path=(tenant_id,), sources=sources)
    reason = f"nobody has answered whether it is for {about}"
    return Reply(answer=Answer.UNKNOWN, reason=reason, path=(tenant_id,))


def _contradicted(said: Sequence[Statement]) -> str:
    """Who says no where somebody says yes, as the rest of a sentence; nothing where nobody does."""
    sources = {answer: {each.source for each in said if each.value == answer} for answer in Answer}
    if not sources[Answer.NO]:
        return ""
    is_another = sources[Answer.NO] - sources[Answer.YES]
    return f", and {'another source says' if is_another else 'the same source also says'} that it is not"


def _statement(view: View, tenant_id: str, at: date, before: View | None) -> Reply:
    said = {predicate: view.of(tenant_id, predicate, at) for predicate in PARTS}
    said["end_use_signed_on"] = signed_on(view, tenant_id, at, before)
    sources = tuple(each.line for of_part in said.values() for each in of_part)
    lacking = [words for predicate, words in PARTS.items() if not said[predicate]]
    answer = Answer.YES if not lacking else Answer.NO if not sources else Answer.UNKNOWN
    reason = {
        Answer.YES: "an end-use statement is in the file",
        Answer.NO: "no end-use statement is in the file",
        Answer.UNKNOWN: f"of the end-use statement the file does not say {' and '.join(lacking)}",
    }[answer]
    return Reply(answer=answer, reason=reason, path=(tenant_id,), sources=sources)
