"""Two names compared, an index that leaves nothing out, and how well all of it does on pairs."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.commands import REPOSITORY
from support.judgement import unhurried
from support.screening import THRESHOLD

from policy.kyc.problems import KycError
from policy.kyc.screening.addresses import Addresses, read_address
from policy.kyc.screening.finding import Side, Subject, find, find_reversed
from policy.kyc.screening.index import Index, Spellings, Traits
from policy.kyc.screening.match import Comparison, compare
from policy.kyc.screening.names import read_names
from policy.kyc.screening.pairs import ScoredPair, measure, read_pairs, score_of
from policy.kyc.screening.screen import SHOWN_BELOW
from policy.kyc.screening.spelling import syllables, typing_errors
from policy.kyc.screening.words import SHORT

RECORDED = Path(os.environ.get("FLOPWATCH_RECORDED_DATA", REPOSITORY.parent / "shared" / "data")) / "screening"
PAIRS = RECORDED / "organisation_name_pairs.csv"
recorded = pytest.mark.skipif(
    not PAIRS.is_file(), reason="no recorded pairs here; FLOPWATCH_RECORDED_DATA may name the folder that has them"
)

ONE_PARTY = [
    ("Example Works Co., Ltd.", "EXAMPLE WORKS COMPANY LIMITED"),
    ("Exampel Logistics", "Example Logistics Ltd"),
    ("Primer Konstruktor", "Primmer Konstruktor OOO"),
    ("华龙技术有限公司", "Hualong Technologies Co. Ltd."),
    ("Shanghai Yixin Semiconductor", "Shanghai Yixing Semiconductor Co Ltd"),
    ("中国示例集团公司第十三研究所", "China Shili Group Corporation 13th Research Institute"),
    ("ООО «Пример Технологии»", "Primer Technologies LLC"),
    ("Пример приборостроительный завод", "Primer Instrument Making Plant"),
    ("Новопример машиностроительный завод", "Novoprimer Machine-Building Plant"),
    ("Tsentralnoye Konstruktorskoye Byuro Primer", "Central Design Bureau Primer"),
    ("Khimprimer OAO", "Himprimer JSC"),
    ("شركة المثال للتجارة", "Al Mithal Trading Company"),
    ("صنایع الکترونیک نمونه", "Nemuneh Electronics Industries"),
    ("Sherkat Sanaye Electronic Nemuneh", "Nemuneh Electronics Industries"),
    ("Example Air", "Example Airlines"),
    ("GEC", "Grand Example Contracting"),
    ("Grand Example Contracting (GEC)", "Grand Example Contracting"),
    ("Example Holding", "Example Group"),
    ("Hangzhou Examplevision Digital Technology Co.", "Examplevision"),
    ("Bank Primer", "Primer Bank"),
    ("van der Example", "Vanderexample"),
    ("Semiconductor Example Widget Corporation", "SEWC"),
    ("Al Noor Example", "Al-Nur Example"),
    ("National Supercomputer Center in Exampletown", "National Supercomputing Center Exampletown"),
    ("示例制造有限公司", "Shili Manufacturing Co Ltd"),
    ("Ya Mahtal Industries", "Yamahtal Industries"),
    ("Müller Example GmbH", "Mueller Example GmbH"),
    ("China Exampletel", "Chinaexampletel"),
    ("North Bank", "Northbank"),
    ("China Telecom", "Chinatelecom"),
    ("GEC Bank", "Grand Example Contracting Bank"),
    ("S7A", "Sample 7 Association"),
    ("Example AI", "Example Artificial Intelligence Ltd"),
    ("Example IT", "Example Information Technology"),
    ("Example R&D Center", "Example Research and Development Center"),
    ("Example Micro-electronics", "Example Microelectronics"),
    ("Example Super Computing Center", "Example Supercomputing Center"),
    ("1st Example Bank", "First Example Bank"),
    ("Peking Example Works", "Beijing Example Works"),
    ("Mohammed Example", "Muhammad Example"),
    ("НИИ Пример", "Primer Scientific Research Institute"),
    ("Yixin Example", "Yixing Example"),
    ("Example Industries Ltd and any successor, sub-unit, or subsidiary thereof", "Example Industries"),
]
SEVERAL_PARTIES = [
    ("18th Central Research Institute", "19th Central Research Institute"),
    ("Plant No. 33", "Plant No. 34"),
    ("EXCG 13th Research Institute", "EXCG 54th Research Institute"),
    ("Northern Shipping Company", "Southern Shipping Company"),
    ("Example Oil Company", "Example Gas Company"),
    ("Shenzhen Hualong Technology", "Guangzhou Hualong Technology"),
    ("Example (France) SARL", "Example (Germany) GmbH"),
    ("Example Works II", "Example Works III"),
    ("Government of Estonia", "Government of Ethiopia"),
    ("General Trading Company", "Technology Trading Company"),
    ("Bank Primar", "Bank Pravda"),
    ("ANO Primer", "OOO Primer"),
    ("Sichuan University", "Sichuan Normal University"),
    ("Example Quantum Computing", "Example Cloud Computing"),
    ("BD Plc", "BP Plc"),
    ("New Example Shipping", "Example Shipping"),
    ("Example Foundation", "Example Inc"),
    ("Sun Li", "Li Sun Trading"),
    ("Huaxinda", "Huaxunda"),
    ("Zhongtian Trading", "Zhongdian Trading"),
    ("Konstruktor Works", "Konstraktar Werks"),
    ("1st Institute of Physics", "13th Institute of Physics"),
    ("Primer Quantum (HK) Ltd", "Primer Quarry (HK) Ltd"),
]


def of(first: str, second: str, home: frozenset[str] = frozenset()) -> Comparison:
    """Compare two texts of one name each."""
    return compare(read_names(first)[0], read_names(second)[0], home)


@pytest.mark.parametrize(("first", "second"), ONE_PARTY)
def test_one_party(first: str, second: str) -> None:
    """Names as one party writes them in other scripts, spellings and lengths reach the default threshold."""
    assert score_of(first, second) >= THRESHOLD


@pytest.mark.parametrize(("first", "second"), SEVERAL_PARTIES)
def test_several_parties(first: str, second: str) -> None:
    """Names that one telling word parts do not reach it."""
    assert score_of(first, second) < THRESHOLD


def test_a_name_with_general_words_more() -> None:
    """A name with a business, a country and a legal form behind it is shown, and with a number or a name it is not."""
    shown = THRESHOLD - SHOWN_BELOW
    assert shown <= score_of("Kvarzel", "Kvarzel Cloud Computing Hong Kong Limited") < THRESHOLD
    assert score_of("Kvarzel", "Kvarzel Omega Works 13 Hong Kong") < shown


def test_syllables() -> None:
    """A word that Pinyin could have written is parted into syllables, and no other word is."""
    assert syllables("zhongguo") == ("zhong", "guo")
    assert syllables("changan") == ("chang", "an")
    assert syllables("exampel") == ()
    assert score_of("a" * 5000, "ab" * 2500) < THRESHOLD


def test_series_of_one_house() -> None:
    """The next fund of a house is shown, for the house may be listed; the next institute of a country is another."""
    assert of("Exampleton Fund IV LP", "Exampleton Fund V LP").score >= THRESHOLD
    assert of("Research Institute IV", "Research Institute V").score < THRESHOLD


def test_a_country_that_is_home() -> None:
    """A country more in a name tells a sister apart, unless it is where one of the two is."""
    assert (
        of("Primer Bank", "Primer Bank Chile").score < of("Primer Bank", "Primer Bank Chile", frozenset({"CL"})).score
    )
    assert of("Primer Bank", "Primer Bank Chile", frozenset({"CL"})).score == 1


def test_explanation() -> None:
    """An explanation has the entry's words and how they were met, and of the party's own only their number."""
    said = of("Primmer Secretword Zeta OOO", "Primer Works AG").explain()
    assert said == (
        "agrees: primer; only in the entry: works; only in the party's name: 2 words; another legal form"
    )  # the doubled letter is one sound
    assert of("Exampel", "Example").explain() == "agrees: example (spelling)"
    assert of("GEC", "Grand Example Contracting").explain() == "agrees: grand example contracting (initials)"
    assert of("Alpha", "Omega").explain().startswith("no word agrees")


parts = st.sampled_from(["mar", "tin", "vel", "xo", "kha", "shu", "ei"])
roots = st.lists(parts, min_size=1, max_size=4).map("".join)
commons = st.sampled_from(["Technology", "Bank", "13th", "Institute", "China", "of", "Northern", "Group", "II", "(HK)"])
names = st.tuples(st.lists(roots, max_size=2), st.lists(commons, max_size=3), st.sampled_from(["LLC", "AG", ""])).map(
    lambda parts: " ".join([*parts[0], *parts[1], parts[2]])
)


@given(names, names)
@unhurried
def test_a_score_has_no_sides(first: str, second: str) -> None:
    """A score is from 0 to 1, the same from either side, and 1 for a name with itself."""
    for one in read_names(first):
        assert compare(one, one).score == 1
        for other in read_names(second):
            score = compare(one, other).score
            assert 0 <= score <= 1
            assert score == compare(other, one).score


words = st.text(alphabet="abcd", min_size=1, max_size=11)


@given(words, st.lists(words, max_size=12))
@unhurried
def test_spellings(word: str, others: list[str]) -> None:
    """Among many words exactly those are found that are the same or typing errors apart."""
    near = {each for each in others if each == word or (_may_err(each, word) and typing_errors(word, each) is not None)}
    assert set(Spellings(others).of(word)) == near


def _may_err(*both: str) -> bool:
    return all(len(each) >= SHORT for each in both)


@given(st.lists(names, min_size=1, max_size=15), names)
@unhurried
def test_the_index_leaves_nothing_out(texts: list[str], text: str) -> None:
    """Every name whose comparison reaches the floor is among those that the index says are worth comparing."""
    many = [name for each in texts for name in read_names(each)]
    index = Index(map(Traits, many))
    for one in read_names(text):
        reaching = {place for place, name in enumerate(many) if compare(one, name).score >= 0.7}
        assert reaching <= index.near(Traits(one), 0.7)


PIECES = """China Telecom Chinatelecom North Bank Northbank GEC Grand Example Contracting S7A Sample 7 Association
Grandexample Grandexampel Ya Mahtal Yamahtal Yamahta 1st First Micro Electronics Microelectronics AI IT Information
Technology the of Hong Kong San Huaxin Huaxing Huaxun مثال Mithal 示例 Shili LLC Exampel Contractnig SEVEN UK"""
pieces = st.sampled_from(PIECES.split())
built = st.lists(pieces, min_size=1, max_size=5).map(" ".join)


@given(
    st.lists(built, min_size=1, max_size=12), st.lists(built, min_size=1, max_size=4), st.sampled_from([0.6, 0.7, 0.9])
)
@settings(unhurried, max_examples=300)
def test_the_index_leaves_nothing_out_of_odd_names(texts: list[str], asked: list[str], floor: float) -> None:
    """So it is for words written as one, initials, digits and countries, whatever was asked before."""
    many = [name for each in texts for name in read_names(each)]
    index = Index(map(Traits, many))
    for text in asked:
        for one in read_names(text):
            reaching = {place for place, name in enumerate(many) if compare(one, name).score >= floor}
            assert reaching <= index.near(Traits(one), floor)


@given(st.lists(names, max_size=8), st.lists(names, max_size=8))
@unhurried
def test_either_way_round(parties: list[str], entries: list[str]) -> None:
    """Looking for the entries among the parties finds what looking for the parties among the entries finds."""
    who = [Subject((text, f"{text} Works"), (f"{at} Example Square, Sometown",)) for at, text in enumerate(parties)]
    listed = [Subject((text,), (f"Example Square {at}, Sometown 9", "CN")) for at, text in enumerate(entries)]
    one_way = find(who, Side(listed), 0.7)
    other_way = find_reversed(listed, Side(who, are_parties=True), 0.7)
    assert sorted(one_way, key=repr) == sorted(other_way, key=repr)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("Room 19, Example Bldg., 148 Sample Street, Kowloon, HK", "148 Sample St., Example Building, Kowloon", True),
        ("ul. Primernaya 58, Volgograd, 400074, RU", "58 ul.Primernaya, Volgograd, Some obl., 400074, RU", True),
        ("148 Sample Street, Kowloon", "149 Sample Street, Kowloon", False),
        ("P.O. Box 31814, Sample Road, Abu Dhabi, AE", "PO Box 31814, Sample Rd, Abu Dhabi", True),
        ("12 Sample Street, Moscow", "12 Example Street, Moscow", False),
        ("улица Примерная 5, Москва", "ulitsa Primernaya 5, Moskva", True),
        ("Alpha Street 3, 100085 Beijing, CN", "Beta Street 9, 100085 Beijing, CN", False),
        ("Alpha Road, 100085 Beijing, CN", "Alpha Road 5, 100085 Beijing, CN", False),
        ("Room 19, Alpha Street, Kowloon, HK", "Room 19, Beta Street, Kowloon, HK", False),
        ("Room 1901, 12 Alpha Street, Kowloon", "Rm 1901, 12 Alpha St, Kowloon", True),
        ("Room 1901, 12 Alpha Street, Kowloon", "Rm 1902, 12 Alpha St, Kowloon", False),
        ("1234 Alpha Street, Sometown 94016", "1234 Alpha St, Sometown 94016-1234", True),
        ("Bahnhofstrasse, 8001 Sometown", "Bahnhofstrasse 4, 8001 Sometown", False),
        ("4 Alpha Road, Sometown EC1A 1BB", "9 Alpha Road, Sometown EC1A 1BB", False),
        ("P.O. Box 31814, Abu Dhabi", "PO Box 31815, Abu Dhabi", False),
        ("P.O. Box 31814, Abu Dhabi", "PO Box 31814, Abu Dhabi", True),
        ("12 Alpha Street Sometown Country", "12 Beta Street Sometown Country", False),
    ],
)  # fmt: skip
def test_addresses(first: str, second: str, same: bool) -> None:
    """Addresses are one place by house or box, street and most of their words, in either order and any script."""
    assert (Addresses([(0, first)]).at([second]) == {0}) is same
    assert (Addresses([(0, second)]).at([first]) == {0}) is same


@pytest.mark.parametrize(
    "text", ["CN", "Guiyang, CN", "China 100085", "", "12", "100085 Beijing, CN", "Alpha Road, 8001 Sometown"]
)
def test_no_place(text: str) -> None:
    """A country, a town or a number alone is no place that two parties could share."""
    assert read_address(text) is None


@recorded
def test_recorded_pairs() -> None:
    """On the recorded pairs the default threshold has an F1 above 0.93, and so have its neighbours above 0.9."""
    pairs = read_pairs(PAIRS)
    at = {threshold: measure(pairs, threshold).f1 or 0 for threshold in (0.75, THRESHOLD, 0.85)}
    assert at[THRESHOLD] > 0.93
    assert min(at.values()) > 0.9


def test_measures() -> None:
    """Precision, recall and F1 are of counts, and none where there is nothing to count."""
    scored = [
        ScoredPair(score=0.9, is_match=True),
        ScoredPair(score=0.9, is_match=False),
        ScoredPair(score=0.1, is_match=True),
    ]
    found = measure(scored, 0.5)
    assert (found.precision, found.recall, found.f1) == (0.5, 0.5, 0.5)
    nothing = measure([ScoredPair(score=0.1, is_match=False)], 0.5)
    assert (nothing.precision, nothing.recall, nothing.f1) == (None, None, None)


@pytest.mark.parametrize(
    "text", ["", "name1,name2\na,b\n", "name1,name2,is_match\na,b,perhaps\n", "name1,name2,is_match\n"]
)
def test_bad_pairs(tmp_path: Path, text: str) -> None:
    """A file that is none of pairs is refused."""
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    with pytest.raises(KycError):
        read_pairs(path)
