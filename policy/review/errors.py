"""
What can go wrong in the review queue, and what the person who meets it does next.

Every error is a class that carries what and where; every sentence stands in ``PROBLEMS``, once. The API answers with
the same row that a terminal prints.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One row of the table: HTTP status, the slug that programs compare, and the three sentences that people read."""

    status: int
    slug: str
    title: str
    detail: str
    next: str


class ReviewError(Exception):
    """Something that the review queue refuses. Its fields fill the sentences of its row in ``PROBLEMS``."""

    @property
    def problem(self) -> Problem:
        """The row of this class."""
        return PROBLEMS[type(self)]

    @property
    def detail(self) -> str:
        """What happened, and where."""
        return self.problem.detail.format_map(self._fields())

    @property
    def next(self) -> str:
        """What to do now."""
        return self.problem.next.format_map(self._fields())

    def _fields(self) -> dict[str, Any]:
        return vars(self)

    def __str__(self) -> str:
        return f"{self.detail} {self.next}"


@dataclass(eq=False, kw_only=True)
class TicketNotFound(ReviewError):
    """No ticket has this id."""

    ticket_id: str


@dataclass(eq=False, kw_only=True)
class AlreadyTaken(ReviewError):
    """Somebody else took the ticket first."""

    ticket_id: str
    taken_by: str


@dataclass(eq=False, kw_only=True)
class NotTaken(ReviewError):
    """A decision by somebody who has not taken the ticket."""

    ticket_id: str


@dataclass(eq=False, kw_only=True)
class AlreadyDecided(ReviewError):
    """The ticket has its decision; decisions are not changed."""

    ticket_id: str


@dataclass(eq=False, kw_only=True)
class ReasonMissing(ReviewError):
    """A decision whose reason says too little to be understood years later."""

    about: str
    minimum_characters: int


@dataclass(eq=False, kw_only=True)
class StitchNotFound(ReviewError):
    """No stitch has this id."""

    stitch_id: str


@dataclass(eq=False, kw_only=True)
class WordInForce(ReviewError):
    """A proposal that would change nothing."""

    stitch_id: str
    word: str


@dataclass(eq=False, kw_only=True)
class ProposalNotOpen(ReviewError):
    """An answer to a proposal that is not there, has its answer, or is superseded by a newer one."""

    stitch_id: str
    position: int


@dataclass(eq=False, kw_only=True)
class OwnProposal(ReviewError):
    """Somebody approves what they proposed themselves."""

    stitch_id: str
    position: int


@dataclass(eq=False, kw_only=True)
class NotAuthenticated(ReviewError):
    """No token, or one that nobody holds. It does not say which, and never repeats the token."""


@dataclass(eq=False, kw_only=True)
class StoreSchemaOutdated(ReviewError):
    """The database is not at the schema that this version of the software reads and writes."""

    found: str
    expected: str


@dataclass(eq=False, kw_only=True)
class TokensFileRefused(ReviewError):
    """The tokens file is open to others, or does not say what it should."""

    path: str
    fault: str
    remedy: str


@dataclass(eq=False, kw_only=True)
class RemoteNotAllowed(ReviewError):
    """A request to serve plain HTTP to other machines."""

    host: str


@dataclass(eq=False, kw_only=True)
class StoreUnusable(ReviewError):
    """The database cannot be used: its URL without the password, why, and what to do."""

    url: str
    fault: str
    remedy: str


@dataclass(eq=False, kw_only=True)
class CannotListen(ReviewError):
    """The review API's port cannot be had."""

    host: str
    port: int
    why: str


PROBLEMS: Mapping[type[ReviewError], Problem] = MappingProxyType(
    {
        TicketNotFound: Problem(
            status=404,
            slug="ticket-not-found",
            title="No such ticket",
            detail="There is no ticket {ticket_id}.",
            next="List the tickets and use an id from there.",
        ),
        AlreadyTaken: Problem(
            status=409,
            slug="already-taken",
            title="Already taken",
            detail="Ticket {ticket_id} is taken by {taken_by}.",
            next="Take another ticket, or ask {taken_by} about this one.",
        ),
        NotTaken: Problem(
            status=409,
            slug="not-taken",
            title="Not taken by you",
            detail="Ticket {ticket_id} can only be decided by the person who has taken it.",
            next="Take the ticket, read it, then decide it.",
        ),
        AlreadyDecided: Problem(
            status=409,
            slug="already-decided",
            title="Already decided",
            detail="Ticket {ticket_id} is decided, and a decision is not changed.",
            next="Read the decision in the ticket. New facts open a new ticket that points to this one.",
        ),
        ReasonMissing: Problem(
            status=422,
            slug="reason-missing",
            title="A decision needs a reason",
            detail="The reason given for {about} has fewer than {minimum_characters} visible characters.",
            next="Write down what you looked at and why it leads there.",
        ),
        StitchNotFound: Problem(
            status=404,
            slug="stitch-not-found",
            title="No such stitch",
            detail="There is no stitch {stitch_id}.",
            next="List the stitches and use an id from there.",
        ),
        WordInForce: Problem(
            status=409,
            slug="word-in-force",
            title="This word is in force",
            detail="The word for stitch {stitch_id} is {word} already.",
            next="Propose another word, or leave it; an open proposal that is not wanted can be declined.",
        ),
        ProposalNotOpen: Problem(
            status=409,
            slug="proposal-not-open",
            title="Not open",
            detail="Stitch {stitch_id} has no proposal {position} that waits for an answer.",
            next="Read the stitch as it stands now, and answer its newest proposal.",
        ),
        OwnProposal: Problem(
            status=409,
            slug="own-proposal",
            title="A second person is needed",
            detail="Proposal {position} on stitch {stitch_id} is yours, and another person has to approve it.",
            next="Ask another reviewer to look; to withdraw it, decline it.",
        ),
        NotAuthenticated: Problem(
            status=401,
            slug="not-authenticated",
            title="Not authenticated",
            detail="The request carries no token that belongs to anybody.",
            next="Send the header `Authorization: Bearer <token>`; whoever runs flopwatch hands out tokens.",
        ),
        StoreSchemaOutdated: Problem(
            status=503,
            slug="store-schema-outdated",
            title="The database has another schema",
            detail="The database of tickets is at schema {found}; this version needs {expected}.",
            next="Run `flopwatch review migrate`. If the database is the newer one, install the newer flopwatch.",
        ),
        StoreUnusable: Problem(
            status=503,
            slug="store-unusable",
            title="The database cannot be used",
            detail="The database {url} {fault}.",
            next="{remedy}",
        ),
        CannotListen: Problem(
            status=500,
            slug="cannot-listen",
            title="The port cannot be had",
            detail="Cannot listen on {host}, port {port} ({why}).",
            next="Choose another --review-host or --review-port, or stop what listens there.",
        ),
        TokensFileRefused: Problem(
            status=500,
            slug="tokens-file-refused",
            title="The tokens file is refused",
            detail="The tokens file {path} {fault}.",
            next="{remedy}",
        ),
        RemoteNotAllowed: Problem(
            status=500,
            slug="remote-not-allowed",
            title="Plain HTTP stays on this machine",
            detail="Serving on {host} would send tokens and tickets over the network unencrypted.",
            next="Serve on 127.0.0.1 and put TLS in front; where that is done, allow remote connections explicitly.",
        ),
    }
)
