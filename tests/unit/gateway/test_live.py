"""Who gets the same bytes as everybody, and who does not."""

from schemas.ids import ClientId
from services.gateway.live import Live
from services.gateway.session import Session
from tests.unit.gateway.rooms import ROOM, Wall

NAMES = ("ann", "bob", "cid", "dan")


def sessions():
    return [Session(ROOM, ClientId(f"g/{name}"), name, Wall()) for name in NAMES]


def test_without_a_sender_or_a_full_socket_nobody_is_apart():
    everybody = sessions()
    live = Live(everybody)
    assert live.apart(()) == []
    assert live.outlets_without([]) == tuple(session.outlet for session in everybody)


def test_senders_and_full_sockets_are_apart_once_each():
    ann, bob, cid, dan = everybody = sessions()
    ann.outlet.backlog.pause()
    cid.outlet.backlog.pause()
    live = Live(everybody)
    apart = live.apart([dan.client, cid.client])
    assert apart == [dan, cid, ann]
    assert live.outlets_without(apart) == (bob.outlet,)


def test_a_sender_without_a_live_session_is_nobody_here():
    live = Live(sessions())
    assert live.apart([ClientId("g/gone")]) == []


def test_a_socket_that_was_emptied_gets_the_same_bytes_again():
    ann, *_ = everybody = sessions()
    live = Live(everybody)
    ann.outlet.backlog.pause()
    assert live.apart(()) == [ann]
    ann.outlet.backlog.resume()
    assert live.apart(()) == []
