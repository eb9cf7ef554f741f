"""
The lineage of a workload's name: the name without what counts, dates or tells apart the attempts at its end.

``pretrain-7b-run3``, ``pretrain-7b-20260601`` and ``pretrain-7b-x8f2k`` are of the lineage ``pretrain-7b``. A name that
is nothing but a number or a hash has no lineage, and what a name means is not looked at.
"""

import re

_SEPARATORS = re.compile(r"[-_./:]+")
_ENDING = re.compile(
    r"""
    \d+                                                      # a number or a date
    | (v|r|run|try|attempt|retry|restart|resume|part|job|step|stage|phase|worker|rank|node|copy)\d*
    | (resumed|restarted|cont|continued|new|again|final|latest|tmp|bak)
    | (?=[a-z0-9]*\d)(?=[a-z0-9]*[a-z])[0-9a-f]{6,}          # a hexadecimal hash
    | (?=[bcdfghjklmnpqrstvwxz2456789]*\d)[bcdfghjklmnpqrstvwxz2456789]{5}   # what Kubernetes puts behind a name
    """,
    re.VERBOSE,
)


def lineage_of(name: str) -> str | None:
    """The lineage of a name, in small letters; None: it has none."""
    words = [word for word in _SEPARATORS.split(name.casefold()) if word]
    while words and _ENDING.fullmatch(words[-1]):
        words.pop()
    return "-".join(words) or None
