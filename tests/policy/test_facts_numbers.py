import pytest
from support.kyc import fact_texts

from policy.facts.facts import load_facts, read_facts
from policy.facts.tables import FactsError
from policy.facts.tiers import SetByProvider, TierError, UnknownTierError

FACTS = load_facts()


def test_tier() -> None:
    """The shipped tier is 1e23 FLOP, a provider's choice and not law."""
    assert FACTS.tiers.flop("review") == 1e23
    assert FACTS.tiers.by_name["review"].basis == "flopwatch's default; the provider has not set one"


def test_unknown_tier() -> None:
    """Asking for a tier that is not there names those that are."""
    with pytest.raises(UnknownTierError, match=r"no tier is called 'revue'; known tiers: review"):
        FACTS.tiers.flop("revue")


def test_overrides() -> None:
    """A provider sets and adds tiers on its own basis; the shipped ones stay as they were."""
    own = FACTS.tiers.with_overrides({"review": 1e15, "notice": 1e14}, "a demonstration")
    assert (own.flop("review"), own.flop("notice"), FACTS.tiers.flop("review")) == (1e15, 1e14, 1e23)
    assert isinstance(own.by_name["review"].source, SetByProvider)


@pytest.mark.parametrize(
    ("flop_by_name", "basis"),
    [
        ({"review": 0.0}, "x"),
        ({"review": -1.0}, "x"),
        ({"review": float("nan")}, "x"),
        ({"": 1e20}, "x"),
        ({"review": 1e20}, " "),
    ],
)
def test_bad_overrides(flop_by_name: dict[str, float], basis: str) -> None:
    """An amount that is none, a tier without a name and a choice without a reason are refused."""
    with pytest.raises(TierError):
        FACTS.tiers.with_overrides(flop_by_name, basis)


def test_policy_statement_has_no_amount() -> None:
    """That BIS's policy statement names no amount is a word, not a number."""
    legal = {each.id: each.value for each in FACTS.tiers.legal}
    assert legal["bis_policy_statement_2025"] == "none"
    assert legal["eu_gpai_systemic"] == 1e25
    assert len(legal) == 12


def test_utilisation() -> None:
    """Utilisation is 0.10, 0.40 and 0.70, and the limits say that they are judgement."""
    estimation = FACTS.estimation
    three = (estimation.utilisation_low, estimation.utilisation_likely, estimation.utilisation_high)
    assert [each.value for each in three] == [0.10, 0.40, 0.70]
    assert estimation.utilisation_low.basis == estimation.utilisation_high.basis == "judgement"
    assert estimation.counting_rule.name == "ECCN 4E091 Note 2"


def test_signals_are_guesses() -> None:
    """Every number of the training verdict says that it is a guess, with its unit and reason."""
    signals = FACTS.training_signals
    for name in signals.__slots__:
        each = getattr(signals, name)
        assert each.basis == "a guess"
        assert each.unit
        assert each.why
        assert each.source.evidence == "unverified"


@pytest.mark.parametrize(
    ("file", "old", "new", "table"),
    [
        ("tiers.toml", "flop = 1e23", "flop = 0", "[tier] review"),
        ("tiers.toml", "flop = 1e23", 'flop = "none"', "[tier] review"),
        ("tiers.toml", 'value = "none"', 'value = "nothing"', "[legal_threshold] bis_policy_statement_2025"),
        ("estimation.toml", "value = 0.40", "value = 0.80", "[utilisation_likely]"),
        ("training_signals.toml", "value = 0.25", "value = 0.75", "[duty_idle_ratio]"),
        ("training_signals.toml", '"Deployment"', '"Job"', "[service_kinds]"),
        ("training_signals.toml", "value = 2.2", "value = -2.2", "[threshold]"),
    ],
)
def test_bad_numbers(file: str, old: str, new: str, table: str) -> None:
    """A number out of order or out of its range is refused with its file and table."""
    texts = fact_texts()
    texts[file] = texts[file].replace(old, new)
    with pytest.raises(FactsError) as caught:
        read_facts(texts)
    assert (caught.value.file, caught.value.table) == (file, table)
