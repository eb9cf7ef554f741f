"""The review API, called as a client calls it."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from support.findings import a_comparison, a_finding
from support.review_api import TOKENS, Client, an_app, the_problem

from policy.hosts import is_loopback
from policy.review.api import serve
from policy.review.api.serve import server_of
from policy.review.errors import RemoteNotAllowed
from policy.review.store import TicketStore, upgrade
from policy.review.ticket import NOTICE, OUTCOME_MEANINGS, Outcome
from policy.rules.finding import Strength, SubjectKind

AT = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
REASON = "Looked at the job and asked the customer."


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TicketStore]:
    """An empty store."""
    url = f"sqlite:///{tmp_path}/review.db"
    upgrade(url)
    with closing(TicketStore.open(url)) as opened:
        yield opened


@pytest.fixture
def app(store: TicketStore) -> FastAPI:
    """The application over it, for Alice and Bob, at a fixed time."""
    return an_app(store, AT)


@pytest.fixture
def alice(app: FastAPI) -> Client:
    """Alice."""
    return Client.of(app, "alice")


@pytest.fixture
def bob(app: FastAPI) -> Client:
    """Bob."""
    return Client(app, {"Authorization": f"bearer {TOKENS['bob']}"})


@pytest.fixture
def ticket_id(store: TicketStore) -> str:
    """The id of an open ticket."""
    return store.submit([a_finding()], AT).opened[0]


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic dG9rZW4=", "token-of-alice"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/tickets"),
        ("GET", "/v1/tickets/T-1"),
        ("POST", "/v1/tickets/T-1/take"),
        ("POST", "/v1/tickets/T-1/decision"),
        ("GET", "/v1/stitches"),
        ("GET", "/v1/stitches/stitch-1"),
        ("POST", "/v1/stitches/stitch-1/proposal"),
        ("POST", "/v1/stitches/stitch-1/answer"),
        ("GET", "/nowhere"),
        ("GET", "/openapi.json"),
    ],
)
def test_nobody_gets_in_without_a_token(app: FastAPI, header: str | None, method: str, path: str) -> None:
    """Without a valid token every path but the health check answers 401 and says how to authenticate."""
    nobody = Client(app, {} if header is None else {"Authorization": header})
    response = nobody.get(path) if method == "GET" else nobody.post(path, content=b"{not json")
    the_problem(response, 401, "not-authenticated")
    assert response.headers["www-authenticate"] == "Bearer"


def test_health_is_open_to_all(app: FastAPI) -> None:
    """The health check answers without a token."""
    response = Client(app, {}).get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/v1/tickets/", "/v1/stitches/"])
def test_there_is_nothing_else(alice: Client, path: str) -> None:
    """No documentation pages and no second spelling of a path are served."""
    the_problem(alice.get(path), 404, "no-such-path")


def test_a_wrong_method_is_a_problem_too(alice: Client) -> None:
    """A method that a path does not know is answered in the same form."""
    response = alice.post("/v1/tickets")
    the_problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "GET"


def test_a_line_holds_what_a_list_needs(alice: Client, ticket_id: str) -> None:
    """The list shows each ticket's state and finding in brief, and is not to be kept."""
    response = alice.get("/v1/tickets")
    assert response.headers["cache-control"] == "no-store"
    assert response.json() == {
        "tickets": [
            {
                "id": ticket_id,
                "state": "open",
                "severity": "medium",
                "strength": "may_have_crossed",
                "rule_id": "large-training-run",
                "title": "Large training run",
                "subject_kind": "tenant",
                "subject_id": "tenant-7",
                "opened_at": "2026-03-02T09:30:00Z",
                "taken_by": None,
                "summary": "One run may have used more compute than the tier.",
            }
        ],
        "next_cursor": None,
    }


def test_the_cursor_leads_through_the_list(alice: Client, store: TicketStore) -> None:
    """Each page names the cursor of the next, and the last page names none."""
    store.submit([a_finding(subject_id=f"tenant-{number}") for number in range(3)], AT)
    first = alice.get("/v1/tickets", params={"limit": 2, "state": "open"}).json()
    second = alice.get("/v1/tickets", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert (len(first["tickets"]), len(second["tickets"]), second["next_cursor"]) == (2, 1, None)


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "state=closed", "cursor=x", "stat=open"])
def test_a_query_that_is_not_understood_is_refused(alice: Client, query: str) -> None:
    """A wrong or unknown part of a query is named instead of being ignored."""
    body = the_problem(alice.get(f"/v1/tickets?{query}"), 422, "invalid-request")
    assert body["errors"][0]["where"] == f"query.{query.partition('=')[0]}"


def test_a_detail_holds_everything(alice: Client, ticket_id: str) -> None:
    """The detail carries the notice, the numbers, their sources and digests, and the record."""
    detail = alice.get(f"/v1/tickets/{ticket_id}").json()
    assert detail["notice"] == NOTICE
    assert detail["comparisons"][0] | {"low": 0.5e26, "likely": 2.0e26, "high": 4.0e26} == detail["comparisons"][0]
    assert detail["digests"] == {"facts": "f" * 64, "rules": "r" * 64, "inputs": "i" * 64}
    assert (detail["law_at"], detail["as_of"]) == ("2026-03-01", "2026-03-01T00:00:00Z")
    assert (detail["sources"], detail["previous_ticket_id"]) == (["15 CFR 744.23"], None)
    assert detail["asks"] == "Find out what the run was for."
    assert detail["reasons"] == ["The high end of the estimate is above the tier."]
    assert [(event["kind"], event["at"]) for event in detail["events"]] == [("opened", "2026-03-02T09:30:00Z")]
    assert (detail["decisions"], len(detail["findings"])) == ([], 1)


def test_an_accelerators_ticket_names_its_nodes(alice: Client, store: TicketStore) -> None:
    """A ticket about an accelerator has its nodes, in the detail and for each finding, and compares nothing."""
    about = {
        "subject_kind": SubjectKind.ACCELERATOR,
        "subject_id": "Huawei device d802",
        "strength": Strength.PRESENT,
    }
    finding = a_finding(**about, run_ids=(), comparisons=(), nodes=("node-a", "node-b"))
    (ticket_id,) = store.submit([finding], AT).opened
    detail = alice.get(f"/v1/tickets/{ticket_id}").json()
    assert about == {name: detail[name] for name in about}
    assert (detail["nodes"], detail["run_ids"], detail["comparisons"]) == (["node-a", "node-b"], [], [])
    assert detail["findings"][0]["nodes"] == ["node-a", "node-b"]


def test_a_number_without_bound_is_shown_as_such(alice: Client, store: TicketStore) -> None:
    """An infinite top arrives as text; null is only a number that could not be estimated."""
    comparison = a_comparison(likely=None, high=float("inf"))
    (ticket_id,) = store.submit([a_finding(comparisons=(comparison,))], AT).opened
    shown = alice.get(f"/v1/tickets/{ticket_id}").json()["comparisons"][0]
    assert (shown["likely"], float(shown["high"])) == (None, float("inf"))


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_is_accepted(alice: Client, ticket_id: str, outcome: Outcome) -> None:
    """A ticket can end in each of the outcomes, and the decision says what the outcome means."""
    assert alice.post(f"/v1/tickets/{ticket_id}/take").json()["taken_by"] == "alice"
    response = alice.post(f"/v1/tickets/{ticket_id}/decision", json={"outcome": outcome, "reason": REASON})
    assert (response.status_code, response.json()["state"]) == (200, "decided")
    (decision,) = response.json()["decisions"]
    assert decision == {
        "actor": "alice",
        "at": "2026-03-02T09:30:00Z",
        "outcome": outcome,
        "meaning": OUTCOME_MEANINGS[outcome],
        "reason": REASON,
        "finding_id": a_finding().finding_id,
    }


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"outcome": "violation", "reason": REASON}, "body.outcome"),
        ({"outcome": "restricted"}, "body.reason"),
        ({"outcome": "restricted", "reason": REASON, "actor": "bob"}, "body.actor"),
        ({"outcome": "restricted", "reason": REASON, "at": "2020-01-01"}, "body.at"),
        ({"outcome": "restricted", "reason": "x" * 20_001}, "body.reason"),
        ([], "body"),
    ],
)
def test_a_body_that_is_not_understood_is_refused(alice: Client, ticket_id: str, body: object, where: str) -> None:
    """An unknown outcome, a missing or an extra key is refused with its place, and what was sent is not repeated."""
    alice.post(f"/v1/tickets/{ticket_id}/take")
    response = alice.post(f"/v1/tickets/{ticket_id}/decision", json=body)
    assert [fault["where"] for fault in the_problem(response, 422, "invalid-request")["errors"]] == [where]
    assert REASON not in response.text


def test_the_actor_is_never_in_the_body(alice: Client, ticket_id: str) -> None:
    """Taking a ticket for somebody else is refused."""
    the_problem(alice.post(f"/v1/tickets/{ticket_id}/take", json={"actor": "bob"}), 422, "invalid-request")


@pytest.mark.parametrize("reason", ["", "          ", "ok"])
def test_a_decision_needs_a_reason(alice: Client, ticket_id: str, reason: str) -> None:
    """A blank or short reason is refused."""
    alice.post(f"/v1/tickets/{ticket_id}/take")
    response = alice.post(f"/v1/tickets/{ticket_id}/decision", json={"outcome": "restricted", "reason": reason})
    the_problem(response, 422, "reason-missing")


def test_conflicts_are_told_apart(alice: Client, bob: Client, ticket_id: str) -> None:
    """Not taken, taken by another and already decided are three different answers."""
    take, decide = f"/v1/tickets/{ticket_id}/take", f"/v1/tickets/{ticket_id}/decision"
    verdict = {"outcome": "out_of_scope", "reason": REASON}
    the_problem(alice.post(decide, json=verdict), 409, "not-taken")
    assert alice.post(take).status_code == alice.post(take).status_code == 200
    body = the_problem(bob.post(take), 409, "already-taken")
    assert body["detail"] == f"Ticket {ticket_id} is taken by alice."
    the_problem(bob.post(decide, json=verdict), 409, "not-taken")
    assert alice.post(decide, json=verdict).status_code == 200
    the_problem(alice.post(decide, json=verdict), 409, "already-decided")
    the_problem(bob.post(take), 409, "already-decided")


def test_an_unknown_ticket_is_not_found(alice: Client) -> None:
    """An id without a ticket answers 404 and names the id."""
    assert "T-0" in the_problem(alice.get("/v1/tickets/T-0"), 404, "ticket-not-found")["detail"]


def test_a_body_has_a_size_limit(alice: Client, ticket_id: str) -> None:
    """More than any request needs is not read."""
    response = alice.post(f"/v1/tickets/{ticket_id}/decision", content=b"x" * 300_000)
    the_problem(response, 413, "body-too-large")


def test_a_failure_says_nothing_of_its_cause(
    alice: Client, store: TicketStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unexpected error is answered in the same form, without its text."""

    def broken(ticket_id: str) -> None:
        raise RuntimeError(f"{ticket_id} belongs to a tenant")

    monkeypatch.setattr(store, "read", broken)
    body = the_problem(alice.get("/v1/tickets/T-0"), 500, "unexpected")
    assert "tenant" not in str(body)


def test_it_serves_over_a_real_connection(
    app: FastAPI, ticket_id: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A server on a free loopback port answers a client, stops when told, and prints and logs no request."""
    server = server_of(app, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            assert client.get("/healthz").status_code == 200
            assert client.get("/v1/tickets").status_code == 401
            answer = client.get(f"/v1/tickets/{ticket_id}", headers={"Authorization": f"Bearer {TOKENS['alice']}"})
    finally:
        server.should_exit = True
        thread.join(timeout=20)
    assert not thread.is_alive()
    assert answer.json()["id"] == ticket_id
    assert "server" not in answer.headers
    assert capfd.readouterr() == ("", "")
    assert ticket_id not in caplog.text


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "review.internal", ""])
def test_other_machines_are_kept_out_unless_allowed(app: FastAPI, host: str) -> None:
    """A host that others can reach is refused, with what to do."""
    with pytest.raises(RemoteNotAllowed, match="put TLS in front"):
        serve(app, host, 0)
    assert server_of(app, host, 0, allow_remote=True).config.host == host


def test_loopback_is_recognised() -> None:
    """The addresses of this machine itself are loopback."""
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost"))
