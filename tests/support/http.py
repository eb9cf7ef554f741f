"""Asking a server on loopback, and waiting for something to become true."""

import ssl
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection

PATIENCE_SECONDS = 30.0  # far above what anything here needs


def get(port: int, path: str, **headers: str) -> tuple[HTTPResponse, bytes]:
    """The answer and its body. An underscore in a header's name is a hyphen."""
    return ask(port, "GET", path, **headers)


def ask(
    port: int, method: str, path: str, *, tls: ssl.SSLContext | None = None, **headers: str
) -> tuple[HTTPResponse, bytes]:
    """The same for any method, and over TLS if there is some to speak it with."""
    connection = (
        HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        if tls is None
        else HTTPSConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS, context=tls)
    )
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def until(is_true: Callable[[], bool], what: str) -> None:
    """Return once it is true; fail when patience is at an end."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_true():
        assert time.monotonic() < deadline, f"waited {PATIENCE_SECONDS:g} s in vain until {what}"
        time.sleep(0.02)
