import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.judgement.lineage import lineage_of

WORDS = st.sampled_from(["pretrain", "llama", "7b", "base", "eval", "moe"])
ENDINGS = st.sampled_from(
    ["1", "20260601", "run3", "v2", "retry", "resume-2", "x8f2k", "deadbeef01", "attempt7", "new"]
)


@pytest.mark.parametrize(
    ("name", "lineage"),
    [
        ("pretrain-7b-run3", "pretrain-7b"),
        ("pretrain_7b_20260601", "pretrain-7b"),
        ("Pretrain-7B-x8f2k", "pretrain-7b"),
        ("pretrain-7b", "pretrain-7b"),
        ("pretrain-70b-1", "pretrain-70b"),
        ("train", "train"),
        ("17", None),
        ("run-3", None),
        ("deadbeef01", None),
        ("", None),
        ("---", None),
    ],
)
def test_by_hand(name: str, lineage: str | None) -> None:
    """A name loses what counts, dates or tells attempts apart at its end, and nothing of what stands before."""
    assert lineage_of(name) == lineage


@given(st.lists(WORDS, min_size=1, max_size=4), st.lists(ENDINGS, max_size=3))
def test_endings(words: list[str], endings: list[str]) -> None:
    """However often an attempt is numbered, its lineage is that of the name without."""
    name = "-".join(words)
    assert lineage_of("-".join([name, *endings])) == lineage_of(name) == name


@given(st.text(max_size=60))
def test_any_text(name: str) -> None:
    """The lineage of a lineage is itself, and no name is too odd to have none."""
    lineage = lineage_of(name)
    assert lineage is None or lineage_of(lineage) == lineage
