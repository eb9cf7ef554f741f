"""An engine whose parts a test names only where they matter."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from support.kyc import customers_of

from collector.contract import Provenance
from policy.engine import Engine, Horizon
from policy.facts.reading import load_facts
from policy.rules.pack import load_pack
from policy.usage.ledger import Ledger

FACTS, PACK = load_facts(), load_pack()


class NoQueue:
    """A queue that takes findings and does nothing."""

    def submit(self, findings: object, at: object) -> None:
        """Take them."""


def an_engine(folder: Path, *, provenance: Provenance = Provenance.MEASURED, **parts: Any) -> Engine:
    """An engine over a ledger in the folder: no nodes, no tenants, the shipped facts and rules, ten days back."""
    usual: dict[str, Any] = {
        "source": lambda _: [],
        "customers": customers_of,
        "facts": FACTS,
        "pack": PACK,
        "queue": NoQueue(),
        "horizon": Horizon(look_back=timedelta(days=10), stale_after=timedelta(minutes=15)),
    }
    return Engine(ledger=Ledger.open(folder / "ledger", provenance), **(usual | parts))
