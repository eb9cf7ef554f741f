"""
A set of facts as one document that can be put away, and read again by who asks years later what a digest stood for.

What is put away is what was written: the shipped files, the overlays and the provider's own tiers, each as it stood.
The digest is its seal: read again, they must give the digest that findings cite, or nothing is read.
"""

from collections.abc import Mapping
from typing import Any

from policy.facts.facts import Facts
from policy.facts.overlays import read_overlay
from policy.facts.reading import FILES, read_facts
from policy.facts.tables import FactsError
from policy.facts.tiers import SetByProvider, TierError

FORM = 1
"""Of what is put away; another version may have another."""


def put_away(facts: Facts) -> dict[str, Any]:
    """Everything that the digest is of, as JSON can hold it."""
    own = (tier for tier in facts.tiers.by_name.values() if isinstance(tier.source, SetByProvider))
    return {
        "form": FORM,
        "files": dict(facts.texts),
        "overlays": [{"file": each.layer.file, "text": each.text} for each in facts.overlays],
        "tiers": [{"name": tier.name, "flop": tier.flop, "basis": tier.basis} for tier in own],
    }


def taken_out(document: Mapping[str, Any], digest: str, *, place: str, flopwatch: str) -> Facts:
    """
    The facts that were put away under a digest. ``place``: what an error calls the document; ``flopwatch``: its writer.

    Raises :class:`FactsError` where it is damaged, was changed, or is of a flopwatch that reads facts otherwise.
    """

    def unusable(problem: str) -> FactsError:
        remedy = f"use flopwatch {flopwatch}, which put it away, or a copy that nobody changed"
        return FactsError(file=place, table="whole file", field="digest", problem=problem, remedy=remedy)

    if document.get("form") != FORM:
        raise unusable(f"it has the form {document.get('form')!r}, and this flopwatch reads {FORM}")
    try:
        overlays = [read_overlay(each["text"], each["file"]) for each in document["overlays"]]
        facts = read_facts(document["files"], overlays)
        for tier in document["tiers"]:
            facts = facts.with_tiers({tier["name"]: tier["flop"]}, basis=tier["basis"])
    except (FactsError, KeyError, TypeError, AttributeError, TierError) as error:
        raise unusable(f"this flopwatch cannot read it ({type(error).__name__}: {error})") from error
    if strangers := sorted(set(facts.texts) - set(FILES)):
        raise unusable(f"it holds {strangers[0]!r}, which is no file of the facts")
    if facts.digest != digest:
        raise unusable(f"its texts give the digest {facts.digest}, and it was cited by {digest}")
    return facts
