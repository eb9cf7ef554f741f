"""Names as words: what is taken away, what is told apart, and what every script comes to."""

import tomllib
from importlib.resources import files

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.judgement import unhurried

from policy.kyc.screening.names import Name, read_names
from policy.kyc.screening.words import Kind, fold, stem, tables


def the(text: str) -> Name:
    """The only name in a text."""
    (name,) = read_names(text)
    return name


def keys(text: str) -> list[str]:
    """What is compared of a name, without what tells nothing."""
    return [word.key for word in the(text).words if word.weight]


def classes(text: str) -> set[str]:
    """The classes of a name's legal forms."""
    return {form.class_ for form in the(text).forms}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Example Aktiengesellschaft", "EXAMPLE AG"),
        ("Example Aktiengeselschaft", "Example AG"),
        ("Example G.m.b.H.", "Example GmbH"),
        ("Primer o.O.O.", "ООО «Пример»"),
        ("Primer, OOO", "Obshchestvo s ogranichennoi otvetstvennostyu 'Primer'"),
        ("JSC Example", "Example Joint-Stock Company"),
        ("OJSC Example", "Example Joynt Stock Company"),
        ("Example S.A. de C.V.", "Example SA de CV"),
        ("Example Sp. z o.o.", "Example Spolka z ograniczona odpowiedzialnoscia"),
        ("示例有限公司", "ShiLi Co., Ltd."),
        ("P.T. Example International", "PT Example International"),
        ("Example Pty Ltd", "Example Proprietary Limited"),
    ],
)
def test_legal_forms(first: str, second: str) -> None:
    """A legal form is one in every language and spelling, and no part of the name."""
    assert keys(first) == keys(second)
    assert classes(first) & classes(second)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sa Example Ao Works", ["eksample", "ao", "vork"]),
        ("Example AG Works", ["eksample", "ag", "vork"]),
        ("Limited Company", ["limited", "company"]),
    ],
)
def test_what_is_no_legal_form(text: str, expected: list[str]) -> None:
    """Two letters in the middle of a name are part of it, and a name of nothing but forms keeps its words."""
    assert keys(text) == expected


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("The Example & Works Company", "example and works"),
        ("A.B.C. Example", "ABC Example"),
        ("H & M Example", "H and M Example"),
        ("C G Example", "CG Example"),
        ("Example Int’l", "Example International"),
        ("Example Organisation", "Example Organization"),
        ("Example Airlines", "Example Air"),
        ("U.S. Example", "United States Example"),
        ("Société Exemple", "Societe Exemple"),
        ("Müller Example", "Mueller Example"),
        ("Example Technologies", "Example Tekhnologii"),
        ("Muromskii Example", "Муромский Example"),
        ("3%ers", "Three Percenters"),
        ("Brigade Forty 4", "Brigade 44"),
        ("18th Example", "18 Example"),
        ("Example No. 5", "Example #5"),
        ("Example Fund IV", "Example Fund 4"),
        ("第十三研究所", "13 Research Institute"),
        ("第五十四研究所", "54th Research Institute"),
        ("Пример приборостроительный завод", "Primer Instrument-Making Plant"),
        ("Example; and any successor, sub-unit, or subsidiary thereof", "Example"),
        ("Example and all subsidiaries", "Example"),
    ],
)
def test_ways_of_writing(first: str, second: str) -> None:
    """Ways of writing one name come to the same words."""
    assert keys(first) == keys(second)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Example Works a/k/a Primer Plant", 2),
        ("Example Works formerly known as Primer", 2),
        ("Example Works/Primer Plant", 3),
        ("Example Works A/S", 1),
        ("Example", 1),
        ("", 0),
        ("...", 0),
        ("~~", 0),
    ],
)
def test_several_names(text: str, expected: int) -> None:
    """A text holds as many names as it says; a stroke may part two, so that the whole stays a name too."""
    assert len(read_names(text)) == expected


def test_kinds_of_words() -> None:
    """Numbers, countries, directions and common words are told from names of their own."""
    kinds = {word.text: word.kind for word in the("18th Northern Example Research Institute of Hong Kong").words}
    assert kinds["18"] is Kind.NUMBER
    assert kinds["northern"] is Kind.DIRECTION
    assert kinds["example"] is Kind.OWN
    assert kinds["research"] is Kind.COMMON
    assert kinds["hong kong"] is Kind.COUNTRY
    assert kinds["of"] is Kind.COMMON


def test_asides() -> None:
    """What stands in parentheses is marked as such."""
    assert [word.aside for word in the("Example (Hong Kong) Works").words] == [False, True, False]


def test_roman_numerals() -> None:
    """A Roman numeral behind the first word is a number; a letter that may be an initial only as the last word."""
    assert [word.kind for word in the("Example II V Primer").words] == [Kind.OWN, Kind.NUMBER, Kind.OWN, Kind.OWN]
    assert the("Example Works X").words[-1].key == "10"
    assert the("VI Example").words[0].kind is Kind.OWN


def test_scripts_without_vowels() -> None:
    """An Arabic word is its consonants, without the article."""
    assert keys("المثال") == ["~mthl"]


@given(st.text(max_size=60))
@example("第")
@example("第十")
@example("(((((")
@example("²⁵ ½ ﷺ")
@unhurried
def test_any_text(text: str) -> None:
    """Any text at all can be read, twice with the same result, and no word of it is empty."""
    names = read_names(text)
    assert names == read_names(text)
    assert all(word.key and word.text for name in names for word in name.words)


@given(st.from_regex(r"[a-z]{4,16}", fullmatch=True))
@unhurried
def test_folding_ends(word: str) -> None:
    """A folded word is of small letters, is not empty, and is no longer than the word but for an x."""
    folded = fold(word)
    assert folded.isalpha()
    assert len(folded) <= len(word) + word.count("x")


def test_plurals() -> None:
    """A plural is its singular; what ends like one and is none keeps its letters."""
    words = ("systems", "technologies", "class", "campus", "basis", "gas")
    assert [stem(each) for each in words] == ["system", "technology", "class", "campus", "basis", "gas"]


def test_the_tables() -> None:
    """The tables are in the form in which names are looked up, and no word is in two classes of weight."""
    table = tables()
    assert all(word.isascii() and word == word.casefold() for phrase in table.forms for word in phrase)
    assert all(word.isascii() and word == word.casefold() for phrase in table.countries for word in phrase)
    written = tomllib.loads(files("policy.kyc.screening").joinpath("words.toml").read_text(encoding="utf-8"))
    weighed = [word for name in ("house", "generic", "sector", "region", "place") for word in set(written[name])]
    assert sorted({word for word in weighed if weighed.count(word) > 1}) == []
