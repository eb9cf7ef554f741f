"""
Errors as answers: ``application/problem+json`` (RFC 9457) with type, title, status, detail and what to do next.

The rows of ``policy.review.errors`` and the few below are all there is. No answer repeats a body or a token.
"""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from policy.review.errors import NotAuthenticated, Problem, ReviewError

TYPE_PREFIX = "urn:flopwatch:problem:"

KEEP_NOTHING: Mapping[str, str] = MappingProxyType({"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})

INVALID_REQUEST = Problem(
    status=422,
    slug="invalid-request",
    title="The request is not understood",
    detail="Some of what was sent is missing, unknown or not of the right kind; `errors` says where.",
    next="Correct the places named in `errors` and send the request again.",
)

UNEXPECTED = Problem(
    status=500,
    slug="unexpected",
    title="Something failed that should not",
    detail="The request stopped half-way. A change is either recorded as a whole or not at all.",
    next="Try again; if it fails again, whoever runs flopwatch finds the cause in its log.",
)

HTTP_PROBLEMS: Mapping[int, Problem] = MappingProxyType(
    {
        404: Problem(
            status=404,
            slug="no-such-path",
            title="No such path",
            detail="Nothing is served under this path.",
            next="Tickets are under /v1/tickets, stitches under /v1/stitches.",
        ),
        405: Problem(
            status=405,
            slug="method-not-allowed",
            title="Method not allowed",
            detail="This path does not know this method.",
            next="Use one of the methods in the Allow header.",
        ),
        413: Problem(
            status=413,
            slug="body-too-large",
            title="The body is too large",
            detail="More was sent than any request needs.",
            next="Shorten the reason, and keep long documents elsewhere.",
        ),
    }
)
"""What the web framework itself refuses."""


def problem_response(error: ReviewError) -> JSONResponse:
    """The answer for an error of the queue."""
    headers = {"WWW-Authenticate": "Bearer"} if isinstance(error, NotAuthenticated) else {}
    return _response(error.problem, detail=error.detail, next=error.next, headers=headers)


def _response(problem: Problem, *, headers: Mapping[str, str] | None = None, **members: Any) -> JSONResponse:
    body = {
        "type": TYPE_PREFIX + problem.slug,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "next": problem.next,
    }
    return JSONResponse(
        body | members,
        status_code=problem.status,
        headers={**KEEP_NOTHING, **(headers or {})},
        media_type="application/problem+json",
    )


async def _on_review_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ReviewError)  # noqa: S101 - for the type checker; the table below says so
    return problem_response(error)


async def _on_invalid_request(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - for the type checker; the table below says so
    places = [{"where": ".".join(map(str, fault["loc"])), "what": fault["msg"]} for fault in error.errors()]
    return _response(INVALID_REQUEST, errors=places)


async def _on_http_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - for the type checker; the table below says so
    problem = HTTP_PROBLEMS.get(error.status_code, INVALID_REQUEST if error.status_code < 500 else UNEXPECTED)
    return _response(problem, headers=error.headers)


async def _on_unexpected(_request: Request, _error: Exception) -> JSONResponse:
    return _response(UNEXPECTED)


HANDLERS: Mapping[type[Exception], Callable[[Request, Exception], Awaitable[JSONResponse]]] = MappingProxyType(
    {
        ReviewError: _on_review_error,
        RequestValidationError: _on_invalid_request,
        HTTPException: _on_http_error,
        Exception: _on_unexpected,
    }
)
