"""
What comes of looking for the tenant of a workload, and what is answered about somebody whom the file does not have.

A claim is a tenant id, or none. Three things can come of it: the file has the tenant (``linked``), the file does not
have it (``unknown_tenant``), or there is nobody to look up (``unlinked``, or ``ambiguous`` where several were named and
they contradict one another). All but the first leave every answer not known, which never clears.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from policy.facts.evidence import Answer
from policy.kyc.dossier import QUESTIONS
from policy.kyc.owners.listing import ListState
from policy.kyc.span import ANSWERS, BEGINNING


class LinkState(StrEnum):
    """What came of looking for the tenant of a workload."""

    LINKED = "linked"
    UNLINKED = "unlinked"
    UNKNOWN_TENANT = "unknown_tenant"
    AMBIGUOUS = "ambiguous"


NO_FILE = "there is no file to answer from"
NOT_ON_FILE: Mapping[str, object] = MappingProxyType(
    {
        **{name: [] if name.endswith(("_sources", "_codes")) else None for name in ANSWERS},
        **dict.fromkeys(QUESTIONS, Answer.UNKNOWN.value),
        "listed": ListState.NOT_SCREENED.value,
        "hq_reason": f"{NO_FILE}, so its headquarters is not known, and that does not clear it",
        "list_reason": NO_FILE,
        "end_use_reason": NO_FILE,
        "hq_era": BEGINNING,
        "list_era": BEGINNING,
    }
)
"""The answers about a tenant that the file does not have, a row of :data:`policy.kyc.span.ANSWERS`."""
