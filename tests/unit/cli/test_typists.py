"""Who is writing, and how often one says so oneself."""

from clients.cli.typists import TYPING_EVERY_SECONDS, Typists
from schemas.signals import TypingSignal


def typing(user, *, active=True):
    return TypingSignal(room="general", user=user, active=active, expires_seconds=6.0)


def test_somebody_writes_until_they_stop_or_are_done_or_it_expires():
    typists = Typists()
    for user in ("dora", "bob", "carol"):
        typists.receive(typing(user), 100.0)
    assert typists.at(100.0) == ["bob", "carol", "dora"]
    typists.receive(typing("bob", active=False), 101.0)
    typists.done("carol")
    assert typists.at(101.0) == ["dora"]
    assert typists.at(106.0) == []


def test_one_says_it_seldom_but_at_once_behind_ones_own_message():
    typists = Typists()
    assert typists.may_say(100.0)
    assert not typists.may_say(100.0 + TYPING_EVERY_SECONDS / 2)
    assert typists.may_say(100.0 + TYPING_EVERY_SECONDS)
    typists.said()
    assert typists.may_say(100.0 + TYPING_EVERY_SECONDS)
