"""Files to import that were damaged, and what holds of whatever is read from them."""

from random import Random

from hypothesis import strategies as st

from policy.kyc.importing.problems import Read
from policy.kyc.statements import STATEMENTS, frame_of
from policy.kyc.vocabulary import PREDICATES

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
"""Any value that JSON can have."""


def mutated(content: bytes, chance: Random, times: int, pieces: tuple[bytes, ...]) -> bytes:
    """The content with a piece put in some places, of what stood there nothing, one byte or twenty taken away."""
    found = bytearray(content)
    for _ in range(times):
        at = chance.randrange(len(found))
        found[at : at + chance.choice((0, 1, 1, 20))] = chance.choice(pieces)
    return bytes(found)


def assert_accounted(found: Read) -> None:
    """
    No row is lost and none is there twice, and problems can be shown.

    Every statement is one that may be made of its subject; of a file that cannot be read to its end there is none.
    """
    assert found.rows_in == found.accepted + found.reported
    assert bool(found.problems) == (found.reported > 0 or found.unreadable)
    assert all(each.text.isprintable() for each in found.problems)
    assert not (found.unreadable and found.statements)
    assert {each.predicate for each in found.statements} <= PREDICATES.keys()
    assert frame_of(found.statements).schema == STATEMENTS
    persons = {each.subject for each in found.statements if (each.predicate, each.value) == ("kind", "natural_person")}
    assert all(PREDICATES[each.predicate].of_natural_persons for each in found.statements if each.subject in persons)
