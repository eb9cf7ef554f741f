"""
Whether two words are one: spelled as they sound, a typing error apart, or several written as one.

A Chinese word is its syllables: another syllable is another character, and no typing error of the whole word.
"""

import re
from functools import lru_cache

from rapidfuzz.distance import OSA, Levenshtein

from policy.kyc.screening.words import CONSONANTS, SHORT, Kind, Word, consonants, fold

VOWELS_LEFT_OUT = 0.9
"""How much the same consonants count, where one name is in a script that leaves vowels out."""
TYPING_ERROR = 0.5
"""
How much of its length's share an error costs: one letter in eight of a word takes a sixteenth of its weight.

A second one costs three times as much, for with each the word is more likely to be another.
"""
LONGEST_IN_SYLLABLES = 36
"""Six syllables of the longest: no Chinese word has more letters."""
LEAST_SYLLABLES = 0.6
"""The part of a Chinese word's syllables that must be the same."""
SHORT_ERROR = 0.8
"""The same in a word of three letters, which may as well be another: it counts only beside words that agree."""
JOINED_LETTERS = 8
"""From how many letters on words that are written as one may have a typing error besides."""
JOINED_COMMON_LETTERS = 5
"""A common word of more letters is seldom written as one with a name: Gazprombank, but not a technology."""
DISTINGUISHING = (Kind.NUMBER, Kind.COUNTRY, Kind.DIRECTION)


def likeness_of(first: Word, second: Word) -> float:
    """How much two words are one: 1 where they are the same, 0 where they are not one at all."""
    if first.key == second.key:
        return 1.0 if first.kind is second.kind else 0.0
    if first.kind in DISTINGUISHING or second.kind in DISTINGUISHING or (first.known and second.known):
        return 0.0
    if not first.weight or not second.weight:
        return 0.0
    if first.key.startswith(CONSONANTS) or second.key.startswith(CONSONANTS):
        return VOWELS_LEFT_OUT if _consonants(first) == _consonants(second) else 0.0
    return min(likeness(first.key, second.key), _syllables_alike(first.text, second.text))


_SYLLABLE = re.compile(
    "(?:zh|ch|sh|[bpmfdtnlgkhjqxzcsryw])?"
    "(?:iang|iong|uang|ang|eng|ing|ong|ian|iao|uai|uan|ai|ao|an|ei|en|er|ou|ia|ie|iu|in|ua|uo|ui|un|ue|[aeiou])"
)


@lru_cache(maxsize=1 << 18)
def syllables(word: str) -> tuple[str, ...]:
    """The syllables of a word as Pinyin writes Chinese, the longest first; none where it is no such word."""
    if not 0 < len(word) <= LONGEST_IN_SYLLABLES:
        return ()
    longest = _SYLLABLE.match(word)
    for end in range(longest.end() if longest else 0, 0, -1):
        if _SYLLABLE.fullmatch(word, 0, end):
            rest = syllables(word[end:])
            if rest or end == len(word):
                return (word[:end], *rest)
    return ()


@lru_cache(maxsize=1 << 18)
def _syllables_alike(first: str, second: str) -> float:
    """The part of two Chinese words' syllables that are the same; 1 where they are no such words."""
    one, other = syllables(first), syllables(second)
    if len(one) != len(other) or len(one) < 2:
        return 1.0
    alike = sum(_plain_syllable(each) == _plain_syllable(beside) for each, beside in zip(one, other, strict=True))
    return alike / len(one) if alike >= LEAST_SYLLABLES * len(one) else 0.0


def _plain_syllable(syllable: str) -> str:
    """As it sounds in the south, and as it is misspelled: xin is xing, zhang is zang."""
    return re.sub("ng$", "n", re.sub("^([zcs])h", r"\1", syllable))


def _consonants(word: Word) -> str:
    return word.key if word.key.startswith(CONSONANTS) else consonants(word.key) or word.key


@lru_cache(maxsize=1 << 20)
def likeness(first: str, second: str) -> float:
    """Of two different words that are one but for typing errors; 0 where they are not."""
    length = max(len(first), len(second))
    errors = typing_errors(first, second)
    if errors is None:
        return 0.0
    return 1 - (TYPING_ERROR if length > SHORT else SHORT_ERROR) * ((1 << errors) - 1) / length


@lru_cache(maxsize=1 << 20)
def typing_errors(first: str, second: str) -> int | None:
    """How many letters differ, two that changed places being one; none where words of their length may not."""
    length = max(len(first), len(second))
    allowed = allowed_errors(length)
    errors = Levenshtein.distance(first, second, score_cutoff=allowed)
    if errors == 2 or errors > allowed:
        return 1 if _changed_places(first, second) else errors if errors <= allowed else None
    return errors


def _changed_places(first: str, second: str) -> bool:
    return len(first) == len(second) > SHORT and OSA.distance(first, second, score_cutoff=1) == 1


def allowed_errors(length: int) -> int:
    """How many typing errors a word of this many letters may have: one from three letters on, two from nine."""
    return (length >= SHORT) + (length >= 9) + (length >= 16)


def may_be_joined(run: tuple[Word, ...]) -> bool:
    """Whether words in a row are ever written as one: names of their own, with short words of any kind among them."""
    return any(word.kind is Kind.OWN for word in run) and all(
        word.kind is Kind.OWN or (len(word.text) <= JOINED_COMMON_LETTERS and word.kind is not Kind.NUMBER)
        for word in run
    )


def may_be_joined_as_they_are(run: tuple[Word, ...]) -> bool:
    """Whether two words, none a name of its own, may be one when they are written as one: China Telecom, North Bank."""
    return len(run) == 2 and all(word.weight and word.kind not in (Kind.OWN, Kind.NUMBER) for word in run)


def is_joined(word: Word, run: tuple[Word, ...]) -> bool:
    """Whether words in a row, written as one, are this word."""
    if not may_be_joined(run):
        return may_be_joined_as_they_are(run) and joined_key(run) == word.key
    first, second = joined_key(run), word.key
    length = max(len(first), len(second))
    if first == second or length < JOINED_LETTERS or not (first + second).isalpha():
        return first == second
    return Levenshtein.distance(first, second, score_cutoff=1) <= 1


@lru_cache(maxsize=1 << 16)
def joined_key(words: tuple[Word, ...]) -> str:
    """What words in a row are when they are written as one."""
    return fold("".join(word.text.replace(" ", "") for word in words))
