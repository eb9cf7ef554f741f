"""The review API, as a contents page."""

from collections.abc import Callable
from datetime import datetime

from fastapi import FastAPI

from policy.review.access import Tokens
from policy.review.api import health, stitches, tickets
from policy.review.api.guards import Authenticated, Limited, Unstored
from policy.review.api.problems import HANDLERS
from policy.review.store import TicketStore


def create_app(store: TicketStore, tokens: Tokens, clock: Callable[[], datetime]) -> FastAPI:
    """The application over a store, for the holders of tokens; ``clock`` gives the time in UTC."""
    app = FastAPI(
        title="flopwatch review",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.store = store
    app.state.clock = clock

    app.include_router(health.router)
    app.include_router(tickets.router)
    app.include_router(stitches.router)

    for error, handler in HANDLERS.items():
        app.add_exception_handler(error, handler)

    # The one added last sees a request first.
    app.add_middleware(Limited)
    app.add_middleware(Authenticated, tokens=tokens, open_paths=frozenset({health.PATH}))
    app.add_middleware(Unstored)
    return app
