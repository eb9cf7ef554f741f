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
    """Beyond the limit one that is being answered keeps its place; leaving makes room, and twice does no harm."""
    connections = Connections(at_once=2)
    (first, _), (second, _), (third, _) = pairs
    for each in (first, second):
        assert connections.admit(each, peer="a")
        connections.heard(each)
    assert not connections.admit(third, peer="b")
    connections.leave(third)
    connections.leave(first)
    connections.leave(first)
    assert connections.admit(third, peer="b")
    for each in (second, third):
        connections.leave(each)


@pytest.mark.parametrize("limits", [{"at_once": 2}, {"of_one_peer": 2}])
def test_the_oldest_silent_one_makes_room(pairs: list[Pair], limits: dict[str, int]) -> None:
    """At either limit a newcomer gets the place of the connection that has been silent longest, which is ended."""
    connections = Connections(**limits)
    (first, a), (second, b), (third, c) = pairs
    for each in (first, second):
        assert connections.admit(each, peer="a")
    connections.heard(first)
    assert connections.admit(third, peer="a")
    assert b.recv(1) == b""
    connections.heard(second)  # it was read just before it was ended
    connections.heard(third)
    connections.leave(second)
    for mine, others in ((first, a), (third, c)):
        others.sendall(b"x")
        assert mine.recv(1) == b"x"
        connections.leave(mine)


def test_a_peer_has_a_part_of_the_places(pairs: list[Pair]) -> None:
    """Who has all that one peer may have gets no further place, and another peer does."""
    connections = Connections(at_once=3, of_one_peer=1)
    (first, _), (second, _), (third, _) = pairs
    assert connections.admit(first, peer="a")
    connections.heard(first)
    assert not connections.admit(second, peer="a")
    assert connections.admit(third, peer="b")
    for each in (first, third):
        connections.leave(each)


def test_what_lasts_too_long_is_cut(pairs: list[Pair]) -> None:
    """Cutting ends a connection for both sides, and only those whose time is up."""
    hasty, patient = Connections(longest_seconds=0.0), Connections(longest_seconds=3600.0)
    (mine, others), (kept, far), _ = pairs
    assert hasty.admit(mine, peer="a")
    assert patient.admit(kept, peer="a")
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
    assert connections.admit(mine, peer="a")
    others.close()
    mine.shutdown(socket.SHUT_RDWR)
    connections.cut_overdue()
    connections.leave(mine)
