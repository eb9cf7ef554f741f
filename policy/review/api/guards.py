"""
What stands in front of every endpoint: nobody without a token, no body without end, nothing kept on the way.

A request without a token is answered before its path is looked up or its body is read.
"""

from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from policy.review.access import Tokens
from policy.review.api.problems import KEEP_NOTHING, problem_response
from policy.review.errors import NotAuthenticated

MAXIMUM_BODY_BYTES = 256 * 1024
"""A reason of the greatest length fits, in any script and however JSON escapes it."""


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Puts the token's holder into the request as ``state.actor``, or answers 401."""

    app: ASGIApp
    tokens: Tokens
    open_paths: frozenset[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its actor, or answer it."""
        if scope["type"] != "http" or scope["path"] in self.open_paths:
            await self.app(scope, receive, send)
            return
        try:
            actor = self.tokens.actor_of(bearer_token(Headers(scope=scope)))
        except NotAuthenticated as error:
            await problem_response(error)(scope, receive, send)
            return
        scope.setdefault("state", {})["actor"] = actor
        await self.app(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Limited:
    """Stops reading a body that is larger than any request needs, which is answered with 413."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; its body comes through ``receive_limited``."""
        received_bytes = 0

        async def receive_limited() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > MAXIMUM_BODY_BYTES:
                raise HTTPException(413)
            return message

        await self.app(scope, receive_limited, send)


@dataclass(frozen=True, slots=True)
class Unstored:
    """Adds to every answer the headers that forbid keeping it."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; its answer comes back through ``send_unstored``."""

        async def send_unstored(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(KEEP_NOTHING)
            await send(message)

        await self.app(scope, receive, send_unstored)


def bearer_token(headers: Headers) -> str:
    """The token of the Authorization header, or NotAuthenticated."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticated
    return token.strip()
