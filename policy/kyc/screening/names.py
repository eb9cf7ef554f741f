"""
A name of an organisation as words that can be compared: legal form apart, in Latin letters, sounds folded.

One text can hold several names ("Example Works a/k/a Example Plant"); each is read. Left out: the order of a natural
person's names, titles, and what a name means beyond the tables of :mod:`policy.kyc.screening.words`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from unicodedata import normalize

from anyascii import anyascii

from policy.kyc.screening.words import (
    CONSONANTS,
    OWN_WEIGHT,
    SHORT,
    Form,
    Kind,
    Word,
    country_word,
    form_word,
    is_compound,
    tables,
    words_of,
)

_TAIL = re.compile(r"[;,]?\s*\band (any|all|its) (successor|sub-?unit|subsidiar|affiliate).*$", re.DOTALL)
_NAMES = re.compile(r"\b(?:a\.?/?k\.?/?a\.?|f\.?/?k\.?/?a\.?|d\.?/?b\.?/?a\.?|formerly known as|also known as)[\s:]+")
_SLASH = re.compile(r"(?<=\w{4})\s?/\s?(?=\w{4})")
_INITIALS = re.compile(r"(?<![^\W\d_])((?:[^\W\d_]\.\s?){1,}[^\W\d_]?)(?![^\W\d_])")
_APOSTROPHES = re.compile("['’‘ʼʻ`´]")
_TOKEN = re.compile(r"~?[a-z0-9]+|[(),;]")
_MARK = CONSONANTS
_ABJAD = re.compile(r"(?<!\w)(?:ال)?([\u0590-\u05ff\u0620-\u06ff]+)")
"""A word in Hebrew or Arabic letters, without the Arabic article."""
_CHINESE_DIGITS = "〇一二三四五六七八九"
_CHINESE_NUMBER = re.compile("第([一二三四五六七八九]?十[一二三四五六七八九]?|[〇一二三四五六七八九]+)(?![百千万零十])")
_ROMAN_NUMERALS = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii", "xiii", "xiv", "xv")
_ROMAN = {numeral: str(at) for at, numeral in enumerate(_ROMAN_NUMERALS, 1)}
_OFTEN_LETTERS = ("i", "v", "x")
"""Numerals that are as often initials: taken for numbers only as the last word."""


@dataclass(frozen=True, kw_only=True)
class Name:
    """
    One name.

    ``words``: in the order of the text; ``forms``: its legal forms, none where it has none; ``letters``: the first
    letters of everything in it, legal forms included.
    """

    words: tuple[Word, ...]
    forms: frozenset[Form] = frozenset()
    letters: str = ""

    @cached_property
    def initials(self) -> tuple[str, ...]:
        """What it may be called by its first letters, with the legal form and without; three letters or more."""
        own = "".join(word.text[0] for word in self.words if word.weight)
        return tuple(dict.fromkeys(each for each in (own, self.letters) if len(each) >= SHORT))


def read_names(text: str) -> tuple[Name, ...]:
    """Every name in a text, none where nothing in it can be compared. Which words they are is for the table to say."""
    text = text.replace(_MARK, " ")
    plain = _APOSTROPHES.sub("", _TAIL.sub("", normalize("NFKC", text).casefold()))
    parts = [part for known_as in _NAMES.split(plain) for part in (known_as, *_either(known_as))]
    names = dict.fromkeys(name for part in parts if (name := _read(part)) is not None)
    return tuple(names)


def _either(text: str) -> list[str]:
    """Both sides of a stroke, where it stands between words and not within an abbreviation as a/s."""
    parts = _SLASH.split(text)
    return parts if len(parts) > 1 else []


def _read(text: str) -> Name | None:
    tokens = _tokens(text)
    kept, forms = _without_forms(tokens)
    words = tuple(_said_once(_in_order(_counted(_words(_compounded(_rephrased(kept)))))))
    if not any(word.weight for word in words):  # a name made of nothing but what is usually taken away
        words = tuple(Word(part, part, OWN_WEIGHT, Kind.OWN) for part in tokens if part not in "(),;")
    letters = "".join(part[0] for part in tokens if part.isalpha() and part not in tables().silent)
    return Name(words=words, forms=forms, letters=letters) if words else None


def _tokens(text: str) -> list[str]:
    """Words in small Latin letters and digits, and the marks that part a name."""
    if not text.isascii():
        text = _in_latin_letters(text)
    text = _APOSTROPHES.sub("", text).replace("&", " and ").replace("+", " and ").replace("%", " percent")
    text = _INITIALS.sub(lambda found: found.group().replace(".", "").replace(" ", "") + " ", text)
    return list(_joined(_TOKEN.findall(text)))


def _in_latin_letters(text: str) -> str:
    """The text in ASCII: words that the tables have in their own script first, then letter by letter."""
    text = _CHINESE_NUMBER.sub(lambda found: f" {_chinese_number(found.group(1))} ", text)
    text = tables().scripted.sub(lambda found: tables().script[found.group()], text)
    text = _ABJAD.sub(lambda found: f" {_MARK}{_plain_letters(found.group(1))} ", text)
    return anyascii(text).casefold()


def _plain_letters(word: str) -> str:
    """An Arabic word's consonants in ASCII, without anything that would part it."""
    return re.sub("[^a-z]", "", anyascii(word).casefold())


def _chinese_number(text: str) -> int:
    tens, has_ten, ones = text.rpartition("十")
    digits = "".join(str(_CHINESE_DIGITS.index(each)) for each in ones) or "0"
    return (_CHINESE_DIGITS.index(tens[-1]) if tens else 1) * 10 * bool(has_ten) + int(digits)


def _joined(tokens: list[str]) -> Iterator[str]:
    """Single letters in a row are one word: C G Clow. A number sign before a number says nothing."""
    run = ""
    for at, part in enumerate(tokens):
        follows = tokens[at + 1] if at + 1 < len(tokens) else ""
        if len(part) == 1 and part.isalpha():
            run += part
            continue
        if run:
            yield run
            run = ""
        if not (part == "no" and follows.isdigit()):
            yield part
    if run:
        yield run


def _without_forms(tokens: list[str]) -> tuple[list[str], frozenset[Form]]:
    """The tokens without legal forms, and which those were."""
    table, kept, forms, at = tables(), list[str](), set[Form](), 0
    starts = table.form_starts
    while at < len(tokens):
        length, form = 0, None
        if tokens[at] in starts or form_word(tokens[at]) in starts:
            length, form = _form_at(tokens, at)
        if form is None:
            kept.append(tokens[at])
        else:
            forms.add(replace(form, at_edge_only=False))
        at += length or 1
    return kept, frozenset(forms)


def _form_at(tokens: list[str], at: int) -> tuple[int, Form | None]:
    """The longest legal form that begins here, and its words' number."""
    table = tables()
    for length in range(min(table.longest_form, len(tokens) - at), 0, -1):
        phrase = tuple(tokens[at : at + length])
        form = table.forms.get(phrase)
        if form is None and (length > 1 or len(phrase[0]) >= 9):
            form = table.forms.get(tuple(map(form_word, phrase)))
        if form is not None and (not form.at_edge_only or _is_edge(tokens, at, length)):
            return length, form
    return 0, None


def _is_edge(tokens: list[str], at: int, length: int) -> bool:
    """Whether these are the first or last words, beside nothing but other legal forms and marks."""
    before, after = tokens[:at], tokens[at + length :]
    return _is_bare(before) or _is_bare(after) or after[0] in "(),;"


def _is_bare(tokens: list[str]) -> bool:
    forms = tables().forms
    return all(part in "(),;" or (part,) in forms for part in tokens)


def _said_once(words: Iterator[Word]) -> Iterator[Word]:
    """The words without general ones that were there already: a second time they tell nothing."""
    said = set[tuple[Kind, str]]()
    for word in words:
        if word.kind is Kind.OWN or (word.kind, word.key) not in said:
            yield word
        said.add((word.kind, word.key))


def _rephrased(tokens: list[str]) -> list[str]:
    """The tokens, phrases among them in the words that the tables have for them."""
    phrases, found, at = tables().phrases, list[str](), 0
    while at < len(tokens):
        phrase = next((each for each in phrases if tuple(tokens[at : at + len(each)]) == each), None)
        found.extend(phrases[phrase].split() if phrase else [tokens[at]])
        at += len(phrase or (tokens[at],))
    return found


def _compounded(tokens: list[str]) -> list[str]:
    """The tokens, two that are one known word written as one."""
    found = list[str]()
    for token in tokens:
        if found and is_compound(found[-1], token):
            found[-1] += token
        else:
            found.append(token)
    return found


def _words(tokens: list[str]) -> Iterator[Word]:
    """Words of the tokens, countries of several words among them; what stands in parentheses is marked."""
    table, depth, at = tables(), 0, 0
    while at < len(tokens):
        part = tokens[at]
        depth = max(0, depth + (part == "(") - (part == ")"))
        length, found = 1, tuple[Word, ...]()
        if part not in "(),;":
            if part in table.country_starts:
                length, found = _country_at(tokens, at)
            found = found or words_of(part)
        yield from (replace(word, aside=True) for word in found) if depth else found
        at += length


def _country_at(tokens: list[str], at: int) -> tuple[int, tuple[Word, ...]]:
    for length in range(min(5, len(tokens) - at), 1, -1):
        phrase = tuple(tokens[at : at + length])
        if code := tables().countries.get(phrase):
            return length, (country_word(" ".join(phrase), code),)
    return 1, ()


def _counted(words: Iterator[Word]) -> Iterator[Word]:
    """Tens and ones that are two words are one number: forty four."""
    before: Word | None = None
    for word in words:
        if before is not None and _are_one_number(before, word):
            number = str(int(before.key) + int(word.key))
            before = replace(word, text=number, key=number)
            continue
        if before is not None:
            yield before
        before = word
    if before is not None:
        yield before


def _are_one_number(tens: Word, ones: Word) -> bool:
    is_ten = tens.kind is Kind.NUMBER and tens.text in _TENS
    return is_ten and ones.kind is Kind.NUMBER and len(ones.key) == 1 and ones.key.isdigit() and ones.key != "0"


_TENS = frozenset(["20", "30", "40", "50", "60", "70", "80", "90"])


def _in_order(words: Iterator[Word]) -> Iterator[Word]:
    """Roman numerals behind the first word are numbers, single letters among them only at the end."""
    given = list(words)
    for at, word in enumerate(given):
        number = _ROMAN.get(word.text) if at and word.kind is Kind.OWN else None
        if number is not None and (word.text not in _OFTEN_LETTERS or at == len(given) - 1):
            yield replace(word, key=number, weight=OWN_WEIGHT, kind=Kind.NUMBER)
        else:
            yield word
