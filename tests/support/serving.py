"""A collector's server on loopback, for the length of a test."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from collector.connections import Connections
from collector.loop import Collector
from collector.server import Server, make_server
from collector.tls import Tls


@contextmanager
def serving(
    collector: Collector,
    *,
    host: str = "127.0.0.1",
    token: str = "",
    tls: Tls | None = None,
    connections: Connections | None = None,
) -> Iterator[Server]:
    """The server, answering for the length of the block; it has ended after it."""
    with make_server(collector, host=host, port=0, bearer_token=token, tls=tls, connections=connections) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(30)
            assert not thread.is_alive()


def port_of(server: Server) -> int:
    """The port that was free."""
    port: int = server.server_address[1]
    return port
