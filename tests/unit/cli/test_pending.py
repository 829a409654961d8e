"""Commands on their way."""

import pytest

from clients.cli.pending import PENDING_LIMIT, Pending


def pending(*command_ids):
    made = Pending()
    for command_id in command_ids:
        made.add(command_id, {"type": "send"})
    return made


def test_only_the_first_is_on_its_way():
    commands = pending("a", "b")
    assert commands.due_to_send(0.0) == {"type": "send", "command_id": "a"}
    assert commands.due_to_send(1e9) is None


def test_a_lost_link_makes_the_first_due_again_as_a_retry():
    commands = pending("a", "b")
    commands.due_to_send(0.0)
    commands.link_lost()
    assert commands.due_to_send(0.0) == {"type": "send", "command_id": "a", "retry": True}


def test_a_command_put_off_waits_and_its_followers_with_it():
    commands = pending("a", "b")
    commands.due_to_send(0.0)
    assert commands.put_off("a", until=5.0)
    assert commands.due_to_send(4.9) is None
    assert commands.due_to_send(5.0)["command_id"] == "a"


def test_putting_off_what_is_not_on_its_way_does_nothing():
    assert not pending("a", "b").put_off("b", until=5.0)
    assert not pending().put_off("a", until=5.0)


def test_a_settled_command_is_given_back_once():
    commands = pending("a")
    assert commands.settle("a").fields["type"] == "send"
    assert commands.settle("a") is None


def test_the_line_is_bounded():
    commands = pending(*map(str, range(PENDING_LIMIT)))
    assert commands.full
    with pytest.raises(AssertionError):
        commands.add("one more", {})
