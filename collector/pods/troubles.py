"""Why the API server does not tell: the closed set of troubles, and the exception that carries one. Pure."""

from collections.abc import Mapping
from enum import StrEnum


class Trouble(StrEnum):
    """
    Why the API server does not tell. The closed set: they become label values.

    ``server_closed`` is how every watch ends when its time is up. ``expired``: the version asked for is too old.
    ``timed_out``: the server gave up, as it does when the version asked for is still ahead of it. ``ended``: nobody
    asks any longer.
    """

    STARTING = "starting"
    SERVER_CLOSED = "server_closed"
    CONNECTION_LOST = "connection_lost"
    SILENT = "silent"
    UNREACHABLE = "unreachable"
    CERTIFICATE = "certificate"
    NO_CREDENTIALS = "no_credentials"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    THROTTLED = "throttled"
    EXPIRED = "expired"
    TIMED_OUT = "timed_out"
    SERVER_ERROR = "server_error"
    GARBLED = "garbled"
    ENDED = "ended"


STATUS_TROUBLES: Mapping[int, Trouble] = {
    401: Trouble.UNAUTHORIZED,
    403: Trouble.FORBIDDEN,
    404: Trouble.NOT_FOUND,
    410: Trouble.EXPIRED,
    429: Trouble.THROTTLED,
    504: Trouble.TIMED_OUT,
}
"""What a status says; every other one above 2xx is a ``server_error``."""


class Refused(Exception):
    """
    A request without the answer that was asked for: the trouble, and the seconds after which to ask again.

    ``retry_after_seconds`` is 0 where the server named none.
    """

    def __init__(self, trouble: Trouble, retry_after_seconds: float = 0.0) -> None:
        super().__init__(trouble.value)
        self.trouble = trouble
        self.retry_after_seconds = retry_after_seconds


def refusal(status: object, retry_after: str | None = None) -> Refused:
    """What an HTTP status, or the code of a Status object, means."""
    trouble = STATUS_TROUBLES.get(status, Trouble.SERVER_ERROR) if isinstance(status, int) else Trouble.SERVER_ERROR
    # HTTP allows a date here too; the API server sends seconds (kubernetes/apiserver, filters/maxinflight.go).
    seconds = float(retry_after) if retry_after and retry_after.isascii() and retry_after.isdigit() else 0.0
    return Refused(trouble, seconds)
