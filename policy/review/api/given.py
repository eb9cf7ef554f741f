"""What every endpoint is given: the store, the time, and who acts."""

from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request

from policy.review.store import TicketStore


async def _store(request: Request) -> TicketStore:
    store: TicketStore = request.app.state.store
    return store


async def _now(request: Request) -> datetime:
    now: datetime = request.app.state.clock()
    return now


async def _actor(request: Request) -> str:
    """Whoever holds the token; never anything that the request says."""
    actor: str = request.state.actor
    return actor


Store = Annotated[TicketStore, Depends(_store)]
Now = Annotated[datetime, Depends(_now)]
Actor = Annotated[str, Depends(_actor)]
