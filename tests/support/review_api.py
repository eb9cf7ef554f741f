"""The review API in this process, and its callers."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import httpx
from fastapi import FastAPI

from policy.review.access import Tokens, digest_of
from policy.review.api import create_app
from policy.review.store import TicketStore

TOKENS = {name: f"token-of-{name}" for name in ("alice", "bob")}


def an_app(store: TicketStore, at: datetime) -> FastAPI:
    """The application over a store, for Alice and Bob, at a fixed time."""
    tokens = Tokens(digests={name: digest_of(token) for name, token in TOKENS.items()})
    return create_app(store, tokens, lambda: at)


@dataclass(frozen=True)
class Client:
    """Calls an application in this process, as one person or as nobody."""

    app: FastAPI
    headers: dict[str, str]

    def get(self, path: str, **options: Any) -> httpx.Response:
        """What a GET answers."""
        return asyncio.run(self._ask("GET", path, options))

    def post(self, path: str, **options: Any) -> httpx.Response:
        """What a POST answers."""
        return asyncio.run(self._ask("POST", path, options))

    @classmethod
    def of(cls, app: FastAPI, actor: str) -> Self:
        """Calls as one of the people who have a token."""
        return cls(app, {"Authorization": f"Bearer {TOKENS[actor]}"})

    async def _ask(self, method: str, path: str, options: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://review", headers=self.headers) as client:
            return await client.request(method, path, **options)


def the_problem(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """The body of an answer that must be this problem."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    body: dict[str, Any] = response.json()
    assert body["type"] == f"urn:flopwatch:problem:{slug}"
    assert body["status"] == status
    assert all(body[name] for name in ("title", "detail", "next"))
    return body
