"""
Questions to the Kubernetes API server about the collectors' pods and their nodes. Read-only: two kinds of GET.

An answer is whole and in the form of the API, or it is :class:`NotTold`: part of a list, a page of a proxy in between
and a refusal are never taken for "there is none". That a node is gone counts only from the API server itself, in its
own words.
"""

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlsplit

from pydantic import ValidationError

from policy.hosts import is_loopback
from policy.usage.sources import fetch
from policy.usage.sources.fetch import Ask, NoAnswer
from policy.usage.sources.pods import SELECTOR, Node, Pod, PodList, Status

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
AT_ONCE = 8
JSON = "application/json"
PODS_A_PAGE = 500  # what the API's own clients ask for
MOST_PAGES = 200  # 100,000 nodes; a guess, against a list without end
ANSWER_SECONDS = 10.0  # a guess: a page of 500 pods is some megabytes
ANSWER_BYTES = 64 << 20  # 500 pods of 100 KiB; a guess, against an endless answer
NOT_FOUND = 404

Kind = TypeVar("Kind", PodList, Node)


class NotTold(Exception):
    """The API server did not say: what was seen instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a pod reaches the API server: ``server`` is its URL, ``account`` the folder with ``token`` and ``ca.crt``."""

    server: str
    account: Path

    @classmethod
    def of_pod(cls, environment: Mapping[str, str]) -> "Access":
        """What the kubelet tells every pod; ``server`` is empty where there is no kubelet."""
        host, port = (environment.get(f"KUBERNETES_SERVICE_{each}", "") for each in ("HOST", "PORT"))
        name = f"[{host}]" if ":" in host else host
        return cls(server=f"https://{name}:{port}" if host and port else "", account=SERVICE_ACCOUNT)

    @property
    def is_encrypted(self) -> bool:
        """Whether the server has to show a certificate; plain HTTP is for loopback alone."""
        return not self.server.startswith("http://")

    def fault(self) -> str:
        """Why nobody can be asked this way, and what to do; empty when somebody can. Asks nobody."""
        if not self.server:
            return "needs a pod's environment, and KUBERNETES_SERVICE_HOST is not set; elsewhere give a file or URLs"
        if fault := fetch.fault_of_url(
            self.server, whose="an API server's", like="https://10.0.0.1:443", flag="a file"
        ):
            return f"the API server's address {fault}"
        if not self.is_encrypted and not is_loopback(urlsplit(self.server).hostname or ""):
            return f"{self.server}: anybody could answer there; use https"
        try:
            self.token()
            self.authority()
        except NotTold as problem:
            return f"{problem}; mount the service account's token and ca.crt there"
        return ""

    def token(self) -> str:
        """The token that its file has now: it is replaced while the pod runs. Raises NotTold."""
        path = self.account / "token"
        try:
            token = path.read_text(encoding="ascii").strip()
        except OSError as error:
            raise NotTold(f"{path}: cannot be read ({error.strerror})") from error
        except UnicodeDecodeError as error:
            raise NotTold(f"{path}: holds no token") from error
        if not token or not token.isprintable() or " " in token:
            raise NotTold(f"{path}: holds no token")
        return token

    def authority(self) -> ssl.SSLContext | None:
        """Who may vouch for the API server, as its file says now; None for plain HTTP. Raises NotTold."""
        path = self.account / "ca.crt"
        try:
            return fetch.authority_of(path) if self.is_encrypted else None
        except OSError as error:
            raise NotTold(f"{path}: cannot be used ({error.strerror or error})") from error


@contextmanager
def asking(access: Access) -> Iterator["ApiServer"]:
    """Questions with the credentials as they are now. Raises NotTold."""
    token = access.token()
    with fetch.client(AT_ONCE, access.authority()) as connections:
        yield ApiServer(server=access.server, token=token, get=partial(fetch.fetch, connections))


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiServer:
    """The questions that we ask; several threads may ask at one time."""

    server: str
    token: str
    get: Callable[[Ask], bytes]

    def pods(self, namespace: str) -> list[Pod]:
        """All of the collectors' pods in a namespace. Raises NotTold."""
        asked = {"labelSelector": SELECTOR, "limit": str(PODS_A_PAGE)}
        found: list[Pod] = []
        go_on = ""
        for _ in range(MOST_PAGES):
            more = {"continue": go_on} if go_on else {}
            page = self._ask(f"/api/v1/namespaces/{quote(namespace, safe='')}/pods", PodList, asked | more)
            if isinstance(page, Status):
                raise _refusal(page)
            found += page.items
            go_on = page.metadata.go_on
            if not go_on:
                return found
        raise NotTold(f"a list of pods without end, after {len(found)} of them")

    def has_node(self, name: str) -> bool:
        """Whether a node is in the cluster. Raises NotTold."""
        answer = self._ask(f"/api/v1/nodes/{quote(name, safe='')}", Node, {})
        if isinstance(answer, Status):
            if (answer.code, answer.reason, answer.details.name) != (NOT_FOUND, "NotFound", name):
                raise _refusal(answer)
            return False
        if answer.metadata.name != name:
            raise NotTold("an answer about another node")
        return True

    def _ask(self, path: str, kind: type[Kind], parameters: Mapping[str, str]) -> Kind | Status:
        status = 0

        def check(code: int, content_type: str) -> None:
            nonlocal status
            status = code
            if not content_type.startswith(JSON):
                raise NotTold(f"HTTP {code} with content type {content_type}")

        ask = Ask(
            url=f"{self.server}{path}",
            check=check,
            accept=JSON,
            timeout_seconds=ANSWER_SECONDS,
            largest_bytes=ANSWER_BYTES,
            bearer_token=self.token,
            parameters=parameters,
        )
        try:
            body = self.get(ask)
            return kind.model_validate_json(body) if status == fetch.OK else Status.model_validate_json(body)
        except NoAnswer as problem:
            raise NotTold(str(problem)) from problem
        except ValidationError as error:  # its text would repeat the answer
            raise NotTold(f"HTTP {status} with an answer that is not in the form of the API") from error


def _refusal(status: Status) -> NotTold:
    return NotTold(f"HTTP {status.code} {status.reason}: {status.message}")
