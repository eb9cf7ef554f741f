import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.api_server import CA_FILE, TOKEN, Fault, an_api_server
from support.watching import a_token_file

from collector.pods import apiserver
from collector.pods.apiserver import Access, ApiServer, UnusableAccess
from collector.pods.pace import Pace
from collector.pods.troubles import Refused, Trouble, refusal

PATH = "/api/v1/namespaces/tenant-a"


def a_kubeconfig(folder: Path, server: str, *, verify: bool = True) -> Path:
    """A kubeconfig with a token and the test's authority."""
    path = folder / f"kubeconfig-{len(list(folder.iterdir()))}"
    trust = {"certificate-authority": str(CA_FILE)} if verify else {"insecure-skip-tls-verify": True}
    cluster = {"name": "c", "cluster": {"server": server, **trust}}
    user = {"name": "u", "user": {"token": TOKEN}}
    context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    path.write_text(
        json.dumps({"clusters": [cluster], "users": [user], "contexts": [context], "current-context": "x"}),
        encoding="utf-8",
    )
    return path


def asked(access: Access) -> bytes:
    """The answer to one request."""
    api = ApiServer(access)
    try:
        return api.get(PATH, {})
    finally:
        api.close()


def test_a_kubeconfig_says_where_and_who(tmp_path: Path) -> None:
    """With a kubeconfig its server is asked, with its token, over TLS."""
    with an_api_server(tls=True) as server:
        asked(Access(kubeconfig=a_kubeconfig(tmp_path, server.url)))
        assert server.last("namespace").headers["authorization"] == f"Bearer {TOKEN}"


def test_the_settings_server_wins_over_the_kubeconfig(tmp_path: Path) -> None:
    """A server that is named, with a path, stands in the place of the kubeconfig's."""
    with an_api_server(tls=True) as server:
        asked(Access(server=f"{server.url}/k8s/", kubeconfig=a_kubeconfig(tmp_path, "https://127.0.0.1:1")))
        assert server.last("namespace").path == f"/k8s{PATH}"


def test_in_a_cluster_the_environment_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a pod the API server's address comes from the environment, and no proxy stands before it."""
    with an_api_server(tls=True) as server:
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.server_address[1]))
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
        asked(Access(token_file=a_token_file(tmp_path), ca_file=CA_FILE))
        assert server.count("namespace") == 1


def test_an_ipv6_service_is_bracketed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service address of IPv6 becomes a valid URL."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    assert Access(ca_file=CA_FILE).configuration().host == "https://[fd00::1]:443"


def test_unusable_access_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside a cluster, without authority, with a clear-text server or a bad kubeconfig: refused with what to do."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    missing = tmp_path / "missing"
    for access, problem in (
        (Access(), "not in a cluster"),
        (Access(server="https://127.0.0.1:1", ca_file=missing), "is missing"),
        (Access(server="http://192.0.2.1"), "verify the certificate"),
        (Access(kubeconfig=a_kubeconfig(tmp_path, "http://192.0.2.1")), "verify the certificate"),
        (Access(kubeconfig=a_kubeconfig(tmp_path, "https://192.0.2.1", verify=False)), "verify the certificate"),
        (Access(kubeconfig=missing), "cannot be used as kubeconfig"),
    ):
        with pytest.raises(UnusableAccess, match=problem):
            access.configuration()


def test_an_endless_answer_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer, or a line of a stream, that is larger than any can be is refused instead of kept."""
    monkeypatch.setattr(apiserver, "LARGEST_ANSWER_BYTES", 1000)
    monkeypatch.setattr(apiserver, "LARGEST_LINE_BYTES", 1000)
    with an_api_server() as server:
        access = Access(server=server.url, token_file=a_token_file(tmp_path))
        server.fail("namespace", Fault(body=b"x" * 2000))
        with pytest.raises(Refused, match="server_error"):
            asked(access)
        server.say(b"x" * 2000)
        api = ApiServer(access)
        stream = api.stream("/api/v1/pods", {"watch": "true"}, silence_seconds=20.0)
        with pytest.raises(Refused, match="garbled"):
            next(stream.lines())
        stream.close()
        api.close()


def test_beside_a_stream_no_other_connection_is_kept(tmp_path: Path) -> None:
    """A request during a stream leaves no idle connection, and the stream goes on."""
    with an_api_server() as server:
        api = ApiServer(Access(server=server.url, token_file=a_token_file(tmp_path)))
        stream = api.stream("/api/v1/pods", {"watch": "true"}, silence_seconds=20.0)
        api.get(PATH, {})
        server.say(b"one\ntwo\n")
        lines = stream.lines()
        assert (next(lines), next(lines), stream.closed) == (b"one", b"two", False)
        stream.close()
        stream.interrupt()  # too late, and harmless
        assert stream.closed
        api.close()


def test_a_wait_named_as_a_date_is_none() -> None:
    """Seconds are the only form of Retry-After that the API server uses."""
    assert refusal(429, "3").retry_after_seconds == 3.0
    assert refusal(429, "Wed, 13 May 2026 00:00:00 GMT").retry_after_seconds == 0.0
    assert (refusal("410").trouble, refusal(None).trouble) == (Trouble.SERVER_ERROR, Trouble.SERVER_ERROR)


@given(st.integers(0, 10_000), st.floats(0, 1e9), st.floats(0, 1))
def test_a_wait_grows_to_a_limit_and_never_undercuts_the_server(failures: int, asked_for: float, drawn: float) -> None:
    """A wait is at least what the server asked for, up to a limit, and at most a minute more."""
    pace = Pace()
    wait = pace.wait_seconds(failures, asked_for, drawn)
    asked_at_most = min(asked_for, pace.longest_retry_after)
    assert asked_at_most + pace.first_wait / 2 <= wait <= asked_at_most + pace.longest_wait
    assert pace.wait_seconds(failures + 1, asked_for, drawn) >= wait


def test_the_clients_models_are_not_loaded() -> None:
    """Asking the API server loads none of the client's models, which would double its memory."""
    assert "kubernetes.client.models.v1_pod" not in sys.modules
