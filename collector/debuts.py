"""
Which counters have stood on a page. Pure.

Each begins with a published 0, for whoever takes differences loses all that came before the first value it saw.
"""

from collections.abc import Hashable, Iterable, Mapping
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Debuts(Generic[Key]):
    """What a page that begins counters with 0 says of each."""

    def __init__(self, begun: Iterable[Key] = ()) -> None:
        """``begun`` have stood on a page before."""
        self._begun = set(begun)

    def __contains__(self, key: Key) -> bool:
        return key in self._begun

    def begin(self, keys: Iterable[Key]) -> None:
        """Note that these stand on a published page, so that they may grow on the next."""
        self._begun.update(keys)

    def shown(self, counts: Mapping[Key, int], *, newcomers_at_zero: bool) -> Mapping[Key, int]:
        """The counts as a page has them: with ``newcomers_at_zero`` those that have stood on none yet are 0."""
        if not newcomers_at_zero:
            return counts
        return {key: count if key in self._begun else 0 for key, count in counts.items()}
