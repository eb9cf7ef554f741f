"""
The API on a port: plain HTTP for this machine, behind something that speaks TLS.

It keeps no access log: whose ticket was read when is in no file that nobody guards.
"""

import signal
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from policy.hosts import is_loopback
from policy.review.errors import CannotListen, RemoteNotAllowed

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def serve(
    app: FastAPI,
    host: str,
    port: int,
    *,
    allow_remote: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> None:
    """
    Serve until SIGTERM or SIGINT, and return; ``tell`` hears the address once the port is ours.

    RemoteNotAllowed for a host that other machines can reach, CannotListen for a port that cannot be had.
    """
    server = server_of(app, host, port, allow_remote=allow_remote)
    with _bound(host, port) as listening:
        for number in STOP_SIGNALS:  # uvicorn hands the signal on to this handler when it has stopped
            signal.signal(number, server.handle_exit)
        name = f"[{host}]" if ":" in host else host
        tell(f"http://{name}:{listening.getsockname()[1]}")
        server.run(sockets=[listening])


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that IDNA cannot write
        why = getattr(error, "strerror", None) or "not a host's name"
        raise CannotListen(host=host, port=port, why=why.partition(" (while")[0]) from error  # it says where again


def server_of(app: FastAPI, host: str, port: int, *, allow_remote: bool = False) -> uvicorn.Server:
    """The server that ``serve`` runs. Port 0 takes any free one."""
    if not (allow_remote or is_loopback(host)):
        raise RemoteNotAllowed(host=host)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    return uvicorn.Server(config)
