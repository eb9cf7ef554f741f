"""
Every setting of the centre, once: its environment variable, its unit, its default and why.

The environment variable is ``FLOPWATCH_`` and the field's name in capitals; a command's flag of the same name wins.
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

ENVIRONMENT_PREFIX = "FLOPWATCH_"


class UnusableSettings(Exception):
    """Settings that cannot be used: which one, what is wrong, what to write instead."""


def at_most(largest: float) -> Any:
    """A finite number above 0 and not so large that a moment could overflow. The bounds are guesses, all generous."""
    return Field(gt=0, le=largest, allow_inf_nan=False)


class Settings(BaseSettings):
    """The settings of engine, review API, status and the other commands. Immutable."""

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, frozen=True, extra="forbid", env_ignore_empty=True)

    ledger: Annotated[Path, Field(description="folder of the ledger; created when it is missing")] = Path("ledger")
    database: Annotated[
        str, Field(description="SQLAlchemy URL of the ticket store; one SQLite file serves one engine and one API")
    ] = "sqlite:///flopwatch.sqlite"
    targets: Annotated[
        str,
        Field(
            description="file with one collector URL a line, URLs with commas between them, or kubernetes:NAMESPACE, "
            "where the collectors' pods are"
        ),
    ] = ""
    tenants: Annotated[
        Path | None,
        Field(
            description="know-your-customer file, or the folder that 'flopwatch tenants import' writes; read anew when "
            "it changes; without it nobody is known"
        ),
    ] = None
    mappings: Annotated[
        Path | None,
        Field(description="TOML file of rules that name the tenant of a workload; read anew when it changes"),
    ] = None
    allocations: Annotated[
        Path | None,
        Field(description="register of which tenant has which machine, CSV or JSON Lines; read anew when it changes"),
    ] = None
    provider: Annotated[
        Path | None,
        Field(
            description="the provider's own register in TOML: entities, sites, clusters, recorded classes; without it "
            "nothing is known of them"
        ),
    ] = None
    rules: Annotated[Path | None, Field(description="rule pack to use in place of the one that ships")] = None
    facts: Annotated[
        Path | None,
        Field(
            description="folder of the provider's own TOML files over the shipped facts, in the order of their names"
        ),
    ] = None
    tier: Annotated[
        str, Field(description="the provider's own tiers in FLOP, as review=1e22; commas between several")
    ] = ""
    simulated: Annotated[
        bool, Field(description="expect simulated collectors; their ledger can hold no measured windows")
    ] = False
    cycle_seconds: Annotated[
        float,
        at_most(86_400),
        Field(description="seconds between two cycles; 5 min is fine enough for runs of hours"),
    ] = 300.0
    look_back_days: Annotated[
        float,
        at_most(36_500),
        Field(description="days of usage that add up to an exposure; a year: the provider's choice"),
    ] = 365.0
    exposure_look_back_days: Annotated[
        str,
        Field(
            description="whole days over which 'flopwatch exposure' adds up, with commas between several: a month, a "
            "quarter and a year"
        ),
    ] = "30,90,365"
    stale_after_cycles: Annotated[
        float,
        at_most(1000),
        Field(description="a node silent for so many cycles counts as unwatched until it answers"),
    ] = 3.0
    scrape_timeout_seconds: Annotated[
        float, at_most(3600), Field(description="seconds a collector has to send its page")
    ] = 10.0
    scrape_token_file: Annotated[Path | None, Field(description="file with the collectors' bearer token")] = None
    health_listen: Annotated[
        str,
        Field(
            description="ADDRESS:PORT at which the engine tells whether its cycles go on, as 127.0.0.1:9480; "
            "it says nothing of tenants"
        ),
    ] = ""
    review_host: Annotated[
        str, Field(description="address of the review API; any but loopback needs --allow-remote and TLS in front")
    ] = "127.0.0.1"
    review_port: Annotated[int, Field(ge=0, le=65535, description="port of the review API")] = 9479
    tokens: Annotated[Path, Field(description="file with the reviewers' token digests; see 'review add-token'")] = Path(
        "review-tokens.toml"
    )

    @property
    def stale_after(self) -> timedelta:
        """How long a node may be silent until it counts as unwatched."""
        return timedelta(seconds=self.stale_after_cycles * self.cycle_seconds)
