import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from collector.connections import Connections

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pairs() -> Iterator[list[Pair]]:
    """Three connections, both sides of each."""
    with ExitStack() as stack:
        made = [socket.socketpair() for _ in range(3)]
        for pair in made:
            for side in pair:
                stack.enter_context(side)
                side.settimeout(30)
        yield made


def test_there_are_so_many_places(pairs: list[Pair]) -> None:
    """A connection beyond the limit has no place; one that left makes room, and leaving twice does no harm."""
    connections = Connections(at_once=2)
    (first, _), (second, _), (third, _) = pairs
    assert [connections.admit(each) for each in (first, second, third)] == [True, True, False]
    connections.leave(third)
    connections.leave(first)
    connections.leave(first)
    assert connections.admit(third)
    for each in (second, third):
        connections.leave(each)


def test_what_lasts_too_long_is_cut(pairs: list[Pair]) -> None:
    """Cutting ends a connection for both sides, and only those whose time is up."""
    hasty, patient = Connections(longest_seconds=0.0), Connections(longest_seconds=3600.0)
    (mine, others), (kept, far), _ = pairs
    assert hasty.admit(mine)
    assert patient.admit(kept)
    hasty.cut_overdue()
    patient.cut_overdue()
    assert (mine.recv(1), others.recv(1)) == (b"", b"")
    far.sendall(b"x")
    assert kept.recv(1) == b"x"
    patient.cut_all()
    assert far.recv(1) == b""
    hasty.leave(mine)
    patient.leave(kept)


def test_a_connection_whose_other_side_has_gone_can_be_cut(pairs: list[Pair]) -> None:
    """Cutting what is over already is no error."""
    connections = Connections(longest_seconds=0.0)
    (mine, others), *_ = pairs
    assert connections.admit(mine)
    others.close()
    mine.shutdown(socket.SHUT_RDWR)
    connections.cut_overdue()
    connections.leave(mine)
