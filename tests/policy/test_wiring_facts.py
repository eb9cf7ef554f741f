import logging
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import pytest
from support.overlays import STAY_EXTENDED, a_scenario, an_overlay

from policy.facts.overlays import read_scenario
from policy.facts.reading import load_facts
from policy.facts.tables import FactsError
from policy.rules.finding import Finding
from policy.settings import Settings
from policy.wiring import build_engine, check_settings, facts_of


class NoQueue:
    """Takes nothing."""

    def submit(self, findings: Sequence[Finding], at: datetime) -> object:
        """Nothing."""
        return None


def settings_with(folder: Path) -> Settings:
    """Settings of an engine whose facts are in the folder."""
    return Settings(
        facts=folder / "facts", ledger=folder / "ledger", targets="http://127.0.0.1:9/metrics", tier="review=1e22"
    )


def test_the_engine_says_once_which_facts_it_uses(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its log has the digest that findings cite and the names of the overlays; checking the settings adds nothing."""
    an_overlay(tmp_path / "facts", STAY_EXTENDED)
    settings = settings_with(tmp_path)
    with caplog.at_level(logging.INFO):
        check_settings(settings)
        engine = build_engine(settings, NoQueue())
    said = [record.getMessage() for record in caplog.records if record.getMessage().startswith("facts.loaded")]
    assert said == [f"facts.loaded digest={engine.facts.digest} overlays=ours"]
    assert engine.facts.digest != load_facts().digest


def test_the_engine_takes_no_scenario(tmp_path: Path) -> None:
    """One that lies among the overrides is refused before anything is begun."""
    a_scenario(tmp_path / "facts", STAY_EXTENDED)
    with pytest.raises(FactsError, match="a scenario is never in force"):
        check_settings(settings_with(tmp_path))
    assert not (tmp_path / "ledger").exists()


def test_scenarios_lie_over_overrides_and_tiers_over_both(tmp_path: Path) -> None:
    """What is supposed wins over what the provider says, and the provider's tier stays."""
    an_overlay(tmp_path / "facts", STAY_EXTENDED)
    off = STAY_EXTENDED.replace('"stayed"', '"off"')
    facts = facts_of(settings_with(tmp_path), [read_scenario(str(a_scenario(tmp_path / "scenarios", off)))])
    state = facts.switches.by_id["affiliates_rule"].at(date(2026, 1, 1))
    assert state is not None
    assert (state.state, state.source.layer.name) == ("off", "what-if")
    assert [layer.name for layer in facts.layers] == ["ours", "what-if"]
    assert facts.tiers.flop("review") == 1e22
