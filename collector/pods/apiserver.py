"""
The one door to the Kubernetes client: GET requests to the API server, with credentials, limits and named troubles.

Answers are raw bytes; the client's models stay out (``CoreV1Api`` and its models cost 21 MiB more than the client
alone, kubernetes 37.0). Importing this module costs 20 MiB nevertheless, because ``import kubernetes`` loads all of the
client's helpers: a collector that does not ask the API server must not import it.

In a cluster the service account's token is read from its file for every request, so that a rotated one is used at once.
The API server's certificate is always verified. Tokens are never logged, nor is an error's text that may repeat one.
"""

import logging
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from kubernetes import config
from kubernetes.client import ApiClient, ApiException, Configuration

from collector.pods.troubles import Refused, Trouble, refusal

CONNECT_SECONDS = 5.0  # a guess: within a data centre a connection takes milliseconds
ANSWER_SECONDS = 10.0  # for an answer to begin, and between two parts of it: a guess
WHOLE_ANSWER_SECONDS = 60.0  # for all of an answer that is no stream: the API server's own default limit
LARGEST_ANSWER_BYTES = 64 << 20  # 500 pods of 100 KiB; a guess, against an endless answer
LARGEST_LINE_BYTES = 4 << 20  # etcd takes objects of 1.5 MiB at most; a guess with room for managed fields
CHUNK_BYTES = 1 << 16
FIRST_REFUSAL = 300
LOOPBACK = ("127.0.0.1", "::1", "localhost")

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TOKEN_FILE = SERVICE_ACCOUNT / "token"
CA_FILE = SERVICE_ACCOUNT / "ca.crt"


# It logs the address of every request, and with that the names of namespaces.
logging.getLogger("urllib3").setLevel(logging.WARNING)


class UnusableAccess(ValueError):
    """Settings with which no API server can be asked: what is wrong, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """
    How the API server is reached: by a kubeconfig file where one is named, else as a pod of the cluster.

    ``server``: its URL, with a path if it stands behind one; empty for what the environment or the kubeconfig says.
    """

    server: str = ""
    kubeconfig: Path | None = None
    token_file: Path = TOKEN_FILE
    ca_file: Path = CA_FILE

    def configuration(self) -> Configuration:
        """The client's configuration. Raises :class:`UnusableAccess`."""
        found = self._from_kubeconfig(self.kubeconfig) if self.kubeconfig else self._in_cluster()
        address = urlsplit(self.server or found.host)
        if not found.verify_ssl or (address.scheme != "https" and address.hostname not in LOOPBACK):
            raise UnusableAccess(
                f"{address.geturl()}: anybody could answer there; use https and verify the certificate"
            )
        found.retries = False  # the caller decides when to ask again; this also keeps a redirect from being followed
        found.keep_alive = True
        found.connection_pool_maxsize = 1
        return found

    def _in_cluster(self) -> Configuration:
        host, port = (os.environ.get(f"KUBERNETES_SERVICE_{each}", "") for each in ("HOST", "PORT"))
        if not self.server and not (host and port):
            raise UnusableAccess("not in a cluster: KUBERNETES_SERVICE_HOST is not set; name a server or a kubeconfig")
        if not self.server.startswith("http:") and not self.ca_file.is_file():
            raise UnusableAccess(f"{self.ca_file}: is missing; mount the service account's token, or name a kubeconfig")
        found = Configuration(host=self.server or f"https://{_bracketed(host)}:{port}", ssl_ca_cert=str(self.ca_file))
        found.proxy = None  # within a cluster there is none, whatever the environment says
        return found

    def refresh_token(self, configuration: Configuration) -> None:
        """Put the token that its file has now into the configuration. Raises :class:`Refused`."""
        if self.kubeconfig:
            return  # the client sees to it
        try:
            token = self.token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            token = ""
        if not token or not token.isprintable() or " " in token:
            raise Refused(Trouble.NO_CREDENTIALS)
        configuration.api_key["BearerToken"] = f"Bearer {token}"

    def _from_kubeconfig(self, path: Path) -> Configuration:
        found = Configuration()
        try:
            # The client's own code has no annotations here.
            config.load_kube_config(str(path), client_configuration=found, persist_config=False)  # type: ignore[no-untyped-call]
        except (config.ConfigException, OSError) as error:
            raise UnusableAccess(f"{path}: cannot be used as kubeconfig ({type(error).__name__})") from error
        return found


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


class Stream:
    """An answer that goes on: its lines as they come. :meth:`interrupt` may be called from another thread."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response
        self._connection = response.connection  # the response forgets it at its end

    def lines(self) -> Iterator[bytes]:
        """
        Every whole line; ends when the server ends the answer. What a broken connection cut off is dropped.

        Raises :class:`Refused`.
        """
        rest = b""
        for part in _parts(self._response):
            *whole, rest = (rest + part).split(b"\n")
            yield from whole
            if len(rest) > LARGEST_LINE_BYTES:
                raise Refused(Trouble.GARBLED)

    def interrupt(self) -> None:
        """Let the reader come to an end at once."""
        try:
            self._response.shutdown()
        except (ValueError, RuntimeError, OSError):
            return  # it has ended already

    @property
    def closed(self) -> bool:
        """Whether its connection was let go."""
        return self._response.closed

    def close(self) -> None:
        """Let the connection go."""
        self._response.close()
        if self._connection:
            self._connection.close()


class ApiServer:
    """GET requests to one API server. For one thread; only :meth:`Stream.interrupt` may be called from another."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._client = ApiClient(access.configuration())
        self._client.user_agent = "flopwatch-collector"
        self._stream: Stream | None = None

    def get(self, path: str, query: Mapping[str, str], *, accept: str = "application/json") -> bytes:
        """The whole answer. Raises :class:`Refused`."""
        response = self._ask(path, query, accept)
        connection = response.connection
        try:
            return _whole(response)
        finally:
            response.close()
            if connection and self._stream and not self._stream.closed:
                # Beside a stream no connection is kept: an idle one from every node would weigh on the API server.
                connection.close()

    def stream(self, path: str, query: Mapping[str, str], *, silence_seconds: float) -> Stream:
        """
        An answer that goes on. One that says nothing for ``silence_seconds`` is a broken connection.

        Raises :class:`Refused`.
        """
        response = self._ask(path, query, "application/json")
        socket = getattr(response.connection, "sock", None)
        if socket is not None:  # the time for the answer to begin is shorter than the time between two of its lines
            socket.settimeout(silence_seconds)
        self._stream = Stream(response)
        return self._stream

    def close(self) -> None:
        """Let all connections go."""
        self._stream = None
        self._client.close()  # type: ignore[no-untyped-call]  # the client's own code has no annotations here

    def _ask(self, path: str, query: Mapping[str, str], accept: str) -> urllib3.BaseHTTPResponse:
        method, url, sent = self._request(path, query, accept)
        try:
            answer = self._client.call_api(method, url, sent, _request_timeout=(CONNECT_SECONDS, ANSWER_SECONDS))
        except (ApiException, urllib3.exceptions.HTTPError, OSError) as error:
            raise Refused(_of_failed_request(error)) from None
        response: urllib3.BaseHTTPResponse = answer.response
        if response.status >= FIRST_REFUSAL:
            response.close()
            raise refusal(response.status, response.headers.get("Retry-After"))
        return response

    def _request(self, path: str, query: Mapping[str, str], accept: str) -> tuple[str, str, dict[str, str]]:
        """Method, URL and headers, with the credentials as they are now."""
        self._access.refresh_token(self._client.configuration)
        try:
            method, url, headers, _, _ = self._client.param_serialize(
                "GET",
                path,
                query_params=list(query.items()),
                header_params={"Accept": accept},
                auth_settings=["BearerToken"],
                _host=self._access.server.rstrip("/") or None,  # the client sets a kubeconfig's anew for every request
            )
        except (config.ConfigException, OSError):  # a kubeconfig's helper program failed
            raise Refused(Trouble.NO_CREDENTIALS) from None
        return method, url, headers


def _of_failed_request(error: Exception) -> Trouble:
    if isinstance(error, ApiException):  # the client turns only TLS errors into its own
        return Trouble.CERTIFICATE
    return Trouble.SILENT if isinstance(error, urllib3.exceptions.ReadTimeoutError) else Trouble.UNREACHABLE


def _whole(response: urllib3.BaseHTTPResponse) -> bytes:
    deadline = time.monotonic() + WHOLE_ANSWER_SECONDS
    found = bytearray()
    for part in _parts(response):
        found += part
        if time.monotonic() > deadline or len(found) > LARGEST_ANSWER_BYTES:
            raise Refused(Trouble.SERVER_ERROR)
    return bytes(found)


def _parts(response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
    try:
        yield from response.stream(CHUNK_BYTES)
    except urllib3.exceptions.ReadTimeoutError:
        raise Refused(Trouble.SILENT) from None
    except (urllib3.exceptions.HTTPError, OSError, ValueError):  # ValueError: read on after interrupt(), under TLS
        raise Refused(Trouble.CONNECTION_LOST) from None
