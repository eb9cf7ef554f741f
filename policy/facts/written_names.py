"""
Names of accelerators as people write them, in benchmark logs and in tables of published models.

People add what does not tell devices apart (memory, cooling, the architecture, "GPU") and leave out what does (the form
of the board). What is left after the former are the model and the forms; the memory is kept, for it may contradict.
"""

import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import pairwise

from policy.facts.accelerators import Device

NEAR = 0.1
"""Sizes of memory that differ by less are one size: 180, 186 and 192 GB are written of one device."""

_WHAT_IT_IS = ("gpu", "gpus", "accelerator", "accelerators", "ai", "tensor", "core", "apu", "edition", "generation")
_HOW_IT_IS_SOLD = ("oam", "module", "board", "card", "dlc", "cooled", "liquid", "air", "nps1", "spx", "pod", "cts")
_ARCHITECTURES = ("volta", "turing", "ampere", "lovelace", "hopper", "blackwell", "cdna", "cdna2", "cdna3", "cdna4")
_NOT_TELLING = frozenset((*_WHAT_IT_IS, *_HOW_IT_IS_SOLD, *_ARCHITECTURES))
_MARKS = re.compile(r"\((?:r|tm|c)\)|[®™©]|blackwell ultra", re.IGNORECASE)
_MEMORY = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)[ -]?gi?b?(?![a-z0-9])")
_MEMORY_KIND = re.compile(r"(hbm|gddr|lpddr)\d*[a-z]?")
_LAST_MEMORY = re.compile(r"[ -]+(\d+(\.\d+)?[ -]?gi?b?|(hbm|gddr|lpddr)\d*[a-z]?)$")
_POWER = re.compile(r"\d+w")
_SLICE = re.compile(r"(?<![a-z0-9])((?:tpu)?v\d{1,2}[a-z]*)-\d+(?![a-z0-9])")
"""A slice of a pod of TPUs, as in ``v5p-4096``, whose number counts cores or chips."""
_FORM = re.compile(r"(sxm|dgxs|pcie|nvl)(\d*)")
_FORMS = frozenset(("sxm", "dgxs", "pcie", "nvl"))
_SYSTEMS = {"hgx": "sxm", "dgx": "sxm"}
"""Systems whose boards have one form."""
_A_VERSION = re.compile(r"v?\d{1,2}[a-z]*|\d+")
_A_WORD = re.compile(r"[a-z0-9.+]+")
_BETWEEN_DIGITS = re.compile(r"(?<=\d) (?=\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a name tells. ``model``: in small letters without spaces; ``forms``: of the board; memory in 1e9 bytes."""

    model: str
    forms: frozenset[str]
    memory_gb: tuple[float, ...]

    @property
    def tells_a_model(self) -> bool:
        """Whether what is left is more than a bare number or letter."""
        return len(self.model) > 1 and not self.model.isdecimal()

    def fits_memory(self, sizes: Iterable[float]) -> bool:
        """Whether every size in the name is near one of these; where none is known nothing contradicts."""
        known = tuple(sizes)
        return not known or all(any(abs(size - each) < NEAR * each for each in known) for size in self.memory_gb)


def written(name: str, words_of_vendors: AbstractSet[str]) -> Written:
    """
    Read a name.

    A vendor's word is left out, but where a bare version follows it belongs to the model: ``Gaudi 2``.
    """
    text = _SLICE.sub(r"\1", _MARKS.sub(" ", name).casefold())
    memory = tuple(float(size) for size in _MEMORY.findall(text))
    words = _A_WORD.findall(_FORM.sub(_apart, _MEMORY.sub(" ", text)))
    forms = {_SYSTEMS.get(word, word) for word in words if word in _FORMS or word in _SYSTEMS}
    model = [word for word, after in pairwise([*words, ""]) if _is_of_model(word, after, words_of_vendors)]
    return Written(model=joined(model), forms=frozenset(forms), memory_gb=memory)


def joined(words: Iterable[str]) -> str:
    """
    The words as one; where two digits would meet a hyphen stays between them.

    An ``H20`` that somebody has given the number 0 is no ``H200``, nor is the first of the ``L4`` an ``L40``.
    """
    return _BETWEEN_DIGITS.sub("-", " ".join(words)).replace(" ", "")


def without_memory(name: str) -> Iterator[str]:
    """The name in small letters without the last size or kind of memory at its end, then without the one before it."""
    shorter = _LAST_MEMORY.sub("", name.casefold())
    while shorter != name.casefold():
        yield shorter
        name, shorter = shorter, _LAST_MEMORY.sub("", shorter)


def _apart(form: re.Match[str]) -> str:
    """The form as a word of its own; the revision of a socket, and how many a rack binds together, tell no device."""
    word, number = form.groups()
    return " " if word == "nvl" and number else f" {word} "


def _is_of_model(word: str, after: str, words_of_vendors: AbstractSet[str]) -> bool:
    if word in words_of_vendors:
        return _A_VERSION.fullmatch(after) is not None
    says_nothing = word in _NOT_TELLING or word in _FORMS or word in _SYSTEMS
    return not says_nothing and not _MEMORY_KIND.fullmatch(word) and not _POWER.fullmatch(word)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What all names of a device tell together. ``is_driver_name``: a driver calls it by this model and no more."""

    device: Device
    forms: frozenset[str]
    memory_gb: frozenset[float]
    is_driver_name: bool


def models_of(device: Device, words_of_vendors: frozenset[str]) -> dict[str, Model]:
    """By model, so that forms and sizes of memory of one name count for the others."""
    of_drivers = [written(name, words_of_vendors) for name in (*device.names, *device.unverified_names)]
    told = [*of_drivers, *(written(name, words_of_vendors) for name in (device.device, *device.written_names))]
    forms = frozenset(form for each in told for form in each.forms)
    memory = frozenset((*device.memory_gb, *(size for each in told for size in each.memory_gb)))
    bare = {each.model for each in of_drivers if each == Written(model=each.model, forms=frozenset(), memory_gb=())}
    models = {each.model for each in told if each.tells_a_model}
    return {
        model: Model(device=device, forms=forms, memory_gb=memory, is_driver_name=model in bare) for model in models
    }
