from datetime import date, timedelta

import pytest
from support.facts import facts_with

from policy.facts.evidence import Evidence
from policy.facts.peaks import Peak
from policy.facts.reading import load_facts
from policy.facts.red_flags import FlagList, SeenFrom
from policy.facts.switches import State
from policy.facts.tables import FactsError
from policy.facts.tiers import LegalState, SetByProvider, ThresholdUnit, TierError, UnknownTierError

FACTS = load_facts()
NOW = date(2026, 11, 29)
BEGINNING = date(2020, 1, 1)


def test_tiers() -> None:
    """The shipped tiers are a provider's choices and not law, and say which texts name the same amount."""
    tiers = FACTS.tiers
    assert {name: tier.flop for name, tier in tiers.by_name.items()} == {
        "review": 1e23,
        "large": 1e24,
        "systemic": 1e25,
        "frontier": 1e26,
    }
    for tier in tiers.by_name.values():
        assert tier.basis.endswith("the provider has not set one")
        assert {tiers.legal[each].value for each in tier.compare} <= {tier.flop}
    assert {"eu_gpai_systemic"} == set(tiers.by_name["systemic"].compare)


def test_unknown_tier() -> None:
    """Asking for a tier that is not there names those that are."""
    with pytest.raises(UnknownTierError, match=r"no tier is called 'revue'; known tiers: frontier, large, review"):
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


@pytest.mark.parametrize(
    ("threshold", "value", "at", "state"),
    [
        ("bis_policy_statement_2025", "none", NOW, LegalState.GUIDANCE),
        ("eu_gpai_systemic", 1e25, date(2025, 8, 1), LegalState.ENACTED),
        ("eu_gpai_systemic", 1e25, date(2025, 8, 2), LegalState.IN_FORCE),
        ("eu_gpai_indicative", 1e23, NOW, LegalState.GUIDANCE),
        ("ca_sb53_frontier", 1e26, date(2026, 1, 1), LegalState.IN_FORCE),
        ("ny_raise_frontier", 1e26, NOW, LegalState.ENACTED),
        ("ny_raise_frontier", 1e26, date(2027, 1, 1), LegalState.IN_FORCE),
        ("ear_4E091", 1e26, NOW, LegalState.PRINTED_NOT_ENFORCED),
        ("bis_2024_nprm_model", 1e26, NOW, LegalState.PROPOSED),
        ("eo14110_model", 1e26, date(2024, 6, 1), LegalState.IN_FORCE),
        ("eo14110_model", 1e26, date(2025, 1, 20), LegalState.REVOKED),
        ("eo14110_bio", 1e23, date(2025, 1, 19), LegalState.IN_FORCE),
        ("eo14110_cluster", 1e20, NOW, LegalState.REVOKED),
        ("bis_2024_nprm_cluster", 1e20, NOW, LegalState.PROPOSED),
        ("ear_4E091_derivative", 2.5e25, NOW, LegalState.PRINTED_NOT_ENFORCED),
        ("eu_gpai_modifier", "none", NOW, LegalState.GUIDANCE),
        ("remote_access_security_act", "none", NOW, LegalState.PROPOSED),
    ],
)
def test_legal_thresholds(threshold: str, value: float | str, at: date, state: LegalState) -> None:
    """Each amount in law says which law, and how far it had come on a day; the policy statement names none."""
    found = FACTS.tiers.legal[threshold]
    of_day = found.at(at)
    assert found.law
    assert found.value == value
    assert of_day is not None
    assert of_day.state is state


def test_rates_are_told_from_amounts() -> None:
    """A figure for a cluster is a rate, and no text's amount of training is one."""
    rates = {each.id for each in FACTS.tiers.legal.values() if each.unit is ThresholdUnit.FLOP_PER_SECOND}
    assert rates == {"bis_2024_nprm_cluster", "eo14110_cluster"}


def test_what_is_quoted_is_no_memory() -> None:
    """The figures of the revoked order stand in public quotations of it, and are known as well as these."""
    assert {FACTS.tiers.legal[f"eo14110_{each}"].source.evidence for each in ("model", "bio", "cluster")} == {
        "secondary"
    }


def test_what_stands_beside_3a090_has_its_days() -> None:
    """Memory, scope, the duty of foundries and the import duty stand from their own days on; one names its last day."""
    notes = [(each.paragraph, each.valid_from) for each in FACTS.control.note]
    assert notes == [
        ("3A090.c", date(2024, 12, 2)),
        ("3A090.a", date(2025, 1, 13)),
        ("3A090.a", date(2025, 1, 16)),
        ("Proclamation 11002", date(2026, 1, 15)),
    ]
    assert FACTS.documents["fr_91_17851"].term_ends == date(2026, 12, 31)


def test_a_law_begins_somewhere() -> None:
    """Before a text was proposed it has no state."""
    assert FACTS.tiers.legal["eu_gpai_systemic"].at(date(2019, 1, 1)) is None


@pytest.mark.parametrize(
    ("at", "state", "evidence"),
    [
        (date(2025, 9, 28), State.OFF, None),
        (date(2025, 10, 15), State.ON, None),
        (date(2026, 3, 1), State.STAYED, None),
        (date(2026, 11, 9), State.STAYED, None),
        (date(2026, 11, 23), State.ON, Evidence.UNVERIFIED),
    ],
)
def test_affiliates_rule(at: date, state: State, evidence: Evidence | None) -> None:
    """The Affiliates Rule was on, is stayed, and is on again by default, which nobody has verified."""
    found = FACTS.switches.by_id["affiliates_rule"].at(at)
    assert found is not None
    assert found.state is state
    if evidence is not None:
        assert found.source.evidence is evidence
        assert found.note.startswith("By default")
    assert "SDN" in FACTS.switches.by_id["affiliates_rule"].governs


@pytest.mark.parametrize(
    ("switch", "state"),
    [
        ("entity_list", State.ON),
        ("military_end_user_list", State.ON),
        ("sdn_programmes", State.ON),
        ("ai_diffusion", State.PRINTED_NOT_ENFORCED),
        ("headquarters_guidance_2026_05_31", State.ON),
        ("policy_statement_2025_05_13", State.ON),
        ("gp10_guidance_2025_05_13", State.ON),
    ],
)
def test_switches(switch: str, state: State) -> None:
    """Every other rule and list says whether it applies today, and did nothing before it was there."""
    found = FACTS.switches.by_id[switch]
    today, first = found.at(NOW), found.at(BEGINNING)
    assert today is not None
    assert today.state is state
    assert first is None or first.state in (State.OFF, State.ON)


def test_switches_have_a_state_on_every_day() -> None:
    """From its first day on a switch has exactly one state on every day."""
    for switch in FACTS.switches.switch:
        for state in switch.state[1:]:
            before = switch.at(state.valid_from - timedelta(days=1))
            assert before is not None
            assert before.valid_to == state.valid_from


def test_red_flags() -> None:
    """Eleven flags of the guidance and the regulation's twenty-nine, each with where the provider could see it."""
    by_list = {each: [flag for flag in FACTS.red_flags.flag if flag.list is each] for each in FlagList}
    assert len(by_list[FlagList.GUIDANCE_2025]) == 11
    assert sorted(flag.number or 0 for flag in by_list[FlagList.SUPPLEMENT_3]) == list(range(1, 30))
    assert all(flag.number is None for flag in by_list[FlagList.GUIDANCE_2025])
    assert {seen for flag in FACTS.red_flags.flag for seen in flag.seen_from} == set(SeenFrom)
    assert any(not flag.seen_from for flag in FACTS.red_flags.flag)
    assert all(flag.text.endswith(".") and flag.how.endswith(".") for flag in FACTS.red_flags.flag)


def test_red_flags_are_dated() -> None:
    """A flag of the guidance did not stand before it was published."""
    assert not [flag for flag in FACTS.red_flags.at(date(2025, 5, 12)) if flag.list is FlagList.GUIDANCE_2025]


def test_flags_accuse_nobody() -> None:
    """A flag is something to look at: no word for wrongdoing stands in it."""
    for flag in FACTS.red_flags.flag:
        assert not {"violation", "illegal", "criminal", "fraud", "guilty"} & set(flag.text.lower().split())


def test_utilisation() -> None:
    """Utilisation is 0.117, 0.43 and 0.70, and the limits say that they are judgement."""
    estimation = FACTS.estimation
    three = (estimation.utilisation_low, estimation.utilisation_likely, estimation.utilisation_high)
    assert [each.value for each in three] == [0.117, 0.43, 0.70]
    assert estimation.utilisation_low.basis == estimation.utilisation_high.basis == "judgement"
    assert estimation.counting_rule.name == "ECCN 4E091 Note 2"


@pytest.mark.parametrize(
    ("name", "times"), [("NVIDIA GB300", 36), ("NVIDIA B300 SXM6 AC", 37), ("NVIDIA A100 PCIe", 6)]
)
def test_how_wide_an_estimate_can_be(name: str, times: int) -> None:
    """How far high lies above low where nobody tells the format is said beside the share that makes it so."""
    peak, estimation = FACTS.peak(name), FACTS.estimation
    assert isinstance(peak, Peak)
    low = estimation.utilisation_low.value * peak.training_peak_flop_per_second
    high = estimation.utilisation_high.value * peak.densest_peak_flop_per_second
    assert round(high / low) == times
    assert f"{times} times" in estimation.utilisation_high.why


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
        ("tiers.toml", 'value = "none"', 'value = "nothing"', "[legal_threshold] "),
        ("tiers.toml", 'compare = ["eu_gpai_systemic"]', 'compare = ["eu"]', "[tier] systemic"),
        ("tiers.toml", "valid_to = 2026-01-01", "valid_to = 2026-02-01", "[legal_threshold] ca_sb53_frontier"),
        ("tiers.toml", "valid_to = 2026-01-01", "valid_to = 2025-12-01", "[legal_threshold] ca_sb53_frontier"),
        ("switches.toml", "valid_to = 2025-11-10", "valid_to = 2025-11-09", "[switch] affiliates_rule"),
        ("switches.toml", "valid_to = 2025-11-10", "valid_to = 2025-11-11", "[switch] affiliates_rule"),
        ("switches.toml", 'state = "stayed"', 'state = "asleep"', "[switch] affiliates_rule [state] 2025-11-10"),
        ("red_flags.toml", "number = 2\n", "number = 1\n", "[flag] "),
        ("red_flags.toml", 'seen_from = ["kyc"]', 'seen_from = ["gossip"]', "[flag] "),
        ("estimation.toml", "value = 0.43", "value = 0.83", "[utilisation_likely]"),
        ("estimation.toml", "value = 0.13\n", "value = 0.63\n", "[sm_likely]"),
        ("estimation.toml", "value = 1.25", "value = 0.9", "[likely_gain]"),
        ("estimation.toml", "value = 0.75", "value = 0.1", "[power_training]"),
        ("stitching.toml", "value = 3.0", "value = 0.0", "[threshold]"),
        ("stitching.toml", "value = 3600", "value = 360000", "[prompt_seconds]"),
        (
            "training_signals.toml",
            'value = 0.35\nunit = "ratio"\nwhy = "Busy for this share or less',
            'value = 0.75\nunit = "ratio"\nwhy = "Busy for this share or less',
            "[duty_idle_ratio]",
        ),
        (
            "training_signals.toml",
            'value = -1.6\nunit = "score"\nwhy = "Devices that move independently',
            'value = 1.6\nunit = "score"\nwhy = "Devices that move independently',
            "[w_apart]",
        ),
        ("training_signals.toml", "value = 0.1\n", "value = 0.7\n", "[idle_window_ratio]"),
        ("training_signals.toml", "value = 0.05\n", "value = 5\n", "[active_ratio]"),
        ("stitching.toml", "value = 0.03\n", "value = 3\n", "[same_period_ratio]"),
        ("tiers.toml", "value = 0.8\n", "value = 1.8\n", "[near_tier_ratio]"),
        ("tiers.toml", "value = 3600\n", "value = 0\n", "[ended_seconds]"),
        ("tiers.toml", "value = 2.5\n", "value = 0.5\n", "[unknown_pace]"),
        ("training_signals.toml", '"Deployment"', '"Job"', "[service_kinds]"),
        ("training_signals.toml", "value = 2.2", "value = -2.2", "[threshold]"),
    ],
)
def test_bad_numbers(file: str, old: str, new: str, table: str) -> None:
    """A number out of range, a history with a gap or an overlap and an unknown word are refused with their place."""
    with pytest.raises(FactsError) as caught:
        facts_with(file, old, new)
    assert (caught.value.file, caught.value.table[: len(table)]) == (file, table)
