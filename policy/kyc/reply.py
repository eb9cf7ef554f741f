"""
An answer about a tenant or a party, with the way that led to it and what it rests on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from policy.facts.evidence import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """
    One answer.

    ``reason``: a sentence without its full stop, for a reviewer; opaque ids and countries, no name. ``path``: the ids
    from the subject to whom the answer is about. ``sources``: one line for each statement or fact that it rests on.
    """

    answer: Answer
    reason: str
    path: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


def any_of(*answers: Answer) -> Answer:
    """Yes where one is; no where all are; else unknown. Of no answers at all nothing is known."""
    if Answer.YES in answers:
        return Answer.YES
    return Answer.NO if answers and set(answers) == {Answer.NO} else Answer.UNKNOWN


def strongest(replies: Sequence[Reply]) -> Reply:
    """Yes where one is, no where all are, else unknown; with the reasons of those that decide."""
    answer = any_of(*(each.answer for each in replies))
    deciding = [each for each in replies if each.answer is answer]
    if not deciding:
        return Reply(answer=Answer.UNKNOWN, reason="no party is known, which does not clear anybody")
    return Reply(
        answer=answer,
        reason="; ".join(dict.fromkeys(each.reason for each in deciding)),
        path=deciding[0].path,
        sources=tuple(dict.fromkeys(line for each in deciding for line in each.sources)),
    )
