"""Stitches in the review API, called as a client calls it."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from support.review_api import Client, an_app, the_problem
from support.stitches import AT, REASON, a_stitch, a_suspected_stitch, stitches_frame

from policy.judgement.stitch import StitchWord
from policy.review.stitch import NOTICE, WORD_MEANINGS
from policy.review.store import TicketStore, upgrade

SUSPECTED = a_suspected_stitch()
PATH = f"/v1/stitches/{SUSPECTED.stitch_id}"
TOLD = {
    "earlier_piece": SUSPECTED.earlier_piece,
    "later_piece": SUSPECTED.later_piece,
    "earlier_tenant_id": "tenant-7",
    "later_tenant_id": "tenant-8",
    "across": "other_group",
    "strength": 0.75,
    "reasons": ["The later piece begins three minutes after the earlier one ends."],
    "earlier_seen": "2026-03-02T07:30:00Z",
    "later_seen": "2026-03-02T07:33:00Z",
}
CONFIRM = {"word": "confirmed", "reason": REASON}
APPROVE = {"position": 1, "approved": True, "reason": REASON}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TicketStore]:
    """A store that was told of one suspected stitch."""
    url = f"sqlite:///{tmp_path}/review.db"
    upgrade(url)
    with closing(TicketStore.open(url)) as opened:
        opened.stitches.tell(stitches_frame(SUSPECTED), AT)
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
    return Client.of(app, "bob")


def test_a_line_holds_what_a_list_needs(alice: Client) -> None:
    """The list shows what was told of each stitch and where it stands, and is not to be kept."""
    response = alice.get("/v1/stitches")
    assert response.headers["cache-control"] == "no-store"
    assert response.json() == {
        "stitches": [
            {
                **TOLD,
                "id": SUSPECTED.stitch_id,
                "state": "told",
                "word": "as_told",
                "is_joined": False,
                "first_told_at": "2026-03-02T09:30:00Z",
                "last_told_at": "2026-03-02T09:30:00Z",
            }
        ],
        "next_cursor": None,
    }


def test_filters_and_the_cursor_lead_through_the_list(alice: Client, store: TicketStore) -> None:
    """A query narrows the list by state, place and tenant, and each page but the last names the cursor of the next."""
    store.stitches.tell(stitches_frame(*(a_stitch(number) for number in range(2, 5))), AT + timedelta(hours=1))
    alice.post(f"/v1/stitches/{a_stitch(2).stitch_id}/proposal", json={"word": "undone", "reason": REASON})

    def count(**query: object) -> int:
        return len(alice.get("/v1/stitches", params=query).json()["stitches"])

    assert (count(), count(state="proposed"), count(across="other_group"), count(tenant_id="tenant-8")) == (4, 1, 1, 1)
    first = alice.get("/v1/stitches", params={"limit": 3}).json()
    second = alice.get("/v1/stitches", params={"limit": 3, "cursor": first["next_cursor"]}).json()
    assert (len(first["stitches"]), len(second["stitches"]), second["next_cursor"]) == (3, 1, None)


@pytest.mark.parametrize("query", ["limit=0", "state=closed", "across=nobody", "cursor=x", "tenant=tenant-7"])
def test_a_query_that_is_not_understood_is_refused(alice: Client, query: str) -> None:
    """A wrong or unknown part of a query is named instead of being ignored."""
    body = the_problem(alice.get(f"/v1/stitches?{query}"), 422, "invalid-request")
    assert body["errors"][0]["where"] == f"query.{query.partition('=')[0]}"


def test_a_detail_holds_the_record(alice: Client, bob: Client) -> None:
    """The detail carries the notice, the word in force, and every proposal with its answer and what had been told."""
    alice.post(f"{PATH}/proposal", json=CONFIRM)
    bob.post(f"{PATH}/answer", json=APPROVE)
    detail = alice.get(PATH).json()
    assert (detail["notice"], detail["meaning"]) == (NOTICE, WORD_MEANINGS[StitchWord.CONFIRMED])
    assert (detail["state"], detail["word"], detail["is_joined"]) == ("decided", "confirmed", True)
    assert detail["proposals"] == [
        {
            "position": 1,
            "word": "confirmed",
            "meaning": WORD_MEANINGS[StitchWord.CONFIRMED],
            "actor": "alice",
            "at": "2026-03-02T09:30:00Z",
            "reason": REASON,
            "told": TOLD,
            "answer": {"actor": "bob", "at": "2026-03-02T09:30:00Z", "approved": True, "reason": REASON},
        }
    ]


def test_a_word_needs_two_people(alice: Client, bob: Client, store: TicketStore) -> None:
    """The proposal waits; its own maker cannot approve it, and another person's approval puts it in force."""
    proposed = alice.post(f"{PATH}/proposal", json=CONFIRM).json()
    assert (proposed["state"], proposed["word"], proposed["proposals"][0]["answer"]) == ("proposed", "as_told", None)
    body = the_problem(alice.post(f"{PATH}/answer", json=APPROVE), 409, "own-proposal")
    assert body["detail"].endswith("another person has to approve it.")
    assert store.stitches.words() == {}
    assert bob.post(f"{PATH}/answer", json=APPROVE).json()["word"] == "confirmed"
    assert store.stitches.words() == {SUSPECTED.stitch_id: StitchWord.CONFIRMED}


def test_a_proposal_can_be_declined_or_withdrawn(alice: Client, bob: Client) -> None:
    """Another person, or its maker, closes a proposal without effect, and the next one has the next position."""
    for position, who in ((1, bob), (2, alice)):
        alice.post(f"{PATH}/proposal", json=CONFIRM)
        answered = who.post(f"{PATH}/answer", json={**APPROVE, "position": position, "approved": False}).json()
        assert (answered["state"], answered["word"]) == ("told", "as_told")
    assert [each["answer"]["approved"] for each in answered["proposals"]] == [False, False]


def test_conflicts_are_told_apart(alice: Client, bob: Client) -> None:
    """What is not open and what would change nothing are different answers; the same again is neither."""
    the_problem(bob.post(f"{PATH}/answer", json=APPROVE), 409, "proposal-not-open")
    the_problem(alice.post(f"{PATH}/proposal", json={**CONFIRM, "word": "as_told"}), 409, "word-in-force")
    once, again = (alice.post(f"{PATH}/proposal", json=CONFIRM).json() for _ in range(2))
    assert once == again
    once, again = (bob.post(f"{PATH}/answer", json=APPROVE).json() for _ in range(2))
    assert once == again
    the_problem(bob.post(f"{PATH}/answer", json={**APPROVE, "approved": False}), 409, "proposal-not-open")
    the_problem(bob.post(f"{PATH}/proposal", json=CONFIRM), 409, "word-in-force")


@pytest.mark.parametrize(
    ("part", "body", "where"),
    [
        ("proposal", {**CONFIRM, "word": "guilty"}, "body.word"),
        ("proposal", {"word": "confirmed"}, "body.reason"),
        ("proposal", {**CONFIRM, "actor": "bob"}, "body.actor"),
        ("proposal", {**CONFIRM, "reason": "x" * 20_001}, "body.reason"),
        ("answer", {**APPROVE, "position": 0}, "body.position"),
        ("answer", {**APPROVE, "approved": "yes"}, "body.approved"),
        ("answer", {"position": 1, "approved": True}, "body.reason"),
        ("answer", {**APPROVE, "actor": "bob"}, "body.actor"),
    ],
)
def test_a_body_that_is_not_understood_is_refused(alice: Client, part: str, body: object, where: str) -> None:
    """An unknown word, a missing or an extra key is refused with its place, and what was sent is not repeated."""
    response = alice.post(f"{PATH}/{part}", json=body)
    assert [fault["where"] for fault in the_problem(response, 422, "invalid-request")["errors"]] == [where]
    assert REASON not in response.text


def test_both_give_a_reason(alice: Client, bob: Client) -> None:
    """A short reason is refused from whoever proposes and from whoever answers, and the stitch is named."""
    body = the_problem(alice.post(f"{PATH}/proposal", json={**CONFIRM, "reason": "ok"}), 422, "reason-missing")
    assert SUSPECTED.stitch_id in body["detail"]
    alice.post(f"{PATH}/proposal", json=CONFIRM)
    the_problem(bob.post(f"{PATH}/answer", json={**APPROVE, "reason": " "}), 422, "reason-missing")


def test_an_unknown_stitch_is_not_found(alice: Client) -> None:
    """An id without a stitch answers 404 and names the id."""
    for response in (
        alice.get("/v1/stitches/stitch-0"),
        alice.post("/v1/stitches/stitch-0/proposal", json=CONFIRM),
        alice.post("/v1/stitches/stitch-0/answer", json=APPROVE),
    ):
        assert "stitch-0" in the_problem(response, 404, "stitch-not-found")["detail"]
