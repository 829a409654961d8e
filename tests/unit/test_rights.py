"""What each kind of login is granted, as definitions for RabbitMQ; tests/security shows that a broker keeps to them."""

import json
import re
import sys

import pytest

from infra.rights import NOTHING, OWN_LOGINS, RIGHTS, definitions, main, own_definitions, permissions_table, right_of
from schemas import routes, topology
from schemas.commands import COMMANDS, OPERATOR_VERBS

ROOM = "a_room:of-ours"


def writes(kind, exchange, key):
    """Whether a login of that kind may write that key there; RabbitMQ searches, as we do."""
    right = right_of(kind)
    found = [keys.write for keys in right.keys if keys.exchange == exchange]
    return re.search(right.write, exchange) is not None and all(re.search(pattern, key) for pattern in found)


def test_gates_write_every_command_but_those_of_operators():
    written = {verb for verb in COMMANDS if writes("gateway", routes.COMMANDS, routes.command_key(ROOM, verb))}
    assert written == COMMANDS.keys() - OPERATOR_VERBS


def test_workers_write_the_keys_that_they_make():
    assert writes("room", routes.COMMANDS, routes.census_key(7, 8))
    assert writes("room", routes.LOG, routes.log_key(ROOM, "message_posted"))
    for kind in ("room", "gateway"):
        assert writes(kind, routes.LOG, routes.query_key(ROOM))
        assert writes(kind, routes.FANOUT, routes.gate_key("g0123456789ab"))
    assert not writes("gateway", routes.LOG, routes.log_key(ROOM, "message_posted"))


@pytest.mark.parametrize("kind", ["gateway", "room", "history"])
def test_no_service_may_make_or_delete_what_lasts(kind):
    lasting = [*(each.name for each in topology.EXCHANGES), *(queue.name for queue in topology.queues(8))]
    assert not [name for name in lasting if re.search(right_of(kind).configure, name)]


def test_kinds_add_up():
    both = right_of("operator,replayer")
    assert writes("operator,replayer", routes.LOG, routes.log_key(ROOM, "x"))
    assert re.search(both.write, routes.CONTROL)
    assert not writes("operator", routes.LOG, routes.log_key(ROOM, "x"))
    assert (both.configure, right_of("replayer").configure) == (right_of("operator").configure, NOTHING)


def test_a_producer_may_be_kept_to_one_room():
    assert writes("producer:den", routes.INBOX, "room.den.send")
    assert not writes("producer:den", routes.INBOX, "room.dens.send")
    assert writes("producer", routes.INBOX, "room.dens.send")


@pytest.mark.parametrize("kind", ["", "king", "producer:a.b", "producer:", "room:den", "operator,"])
def test_what_is_no_kind_is_an_error(kind):
    with pytest.raises(ValueError, match="no kind of login"):
        definitions({"robot": kind})


@pytest.mark.parametrize("login", ["a.b", ".*", "a|b", "[ab]+", "(a)", "a\\", "^a$", "<own>", "zoë@x.org"])
def test_a_login_is_taken_by_its_letters_in_the_names_of_its_queues(login):
    [permission] = definitions({login: "reader"})["permissions"]
    for what in ("configure", "write", "read"):
        assert re.search(permission[what], f"{login}.queue")
        assert not [
            name for name in ("axb.queue", "a.queue", "b.queue", "x.queue") if re.search(permission[what], name)
        ]


@pytest.mark.parametrize("kinds", ["producer", "producer:den", "trusted", "reader", "producer,reader"])
def test_no_login_has_the_queues_of_one_whose_name_goes_on_after_a_dot(kinds):
    made = definitions({"mia": kinds, "mia.x": kinds})["permissions"]
    shorter, longer = ({each[what] for what in ("configure", "write", "read")} for each in made)
    assert not [pattern for pattern in shorter if re.search(pattern, "mia.x.queue")]
    assert not [pattern for pattern in longer if re.search(pattern, "mia.queue")]


OURS = [
    *(exchange.name for exchange in topology.EXCHANGES),
    *(queue.name for queue in topology.queues(16)),
    *("gate.g0123456789ab", "control.room-0123456789ab.1", "control.operator-0123456789ab.1"),
    *("amq.topic", "amq.default", "amq.gen-0123456789"),
]
UNLUCKY = sorted({".".join(name.split(".")[:words]) for name in OURS for words in (1, 2, 3)})
"""Every login whose own queues would begin as a name of ours does, or go on from one."""


@pytest.mark.parametrize("kinds", ["producer", "producer:den", "trusted", "reader", "operator,reader"])
@pytest.mark.parametrize("login", UNLUCKY)
def test_no_login_is_granted_the_beginning_of_a_name_of_ours(login, kinds):
    with pytest.raises(ValueError, match=f"{login!r} is no login for {kinds!r}: its own queues begin with"):
        definitions({login: kinds})


@pytest.mark.parametrize("login", ["rooms", "room-1", "roomy.x", "gated", "chatty", "x.room", "my.gate.1", "Room"])
def test_a_login_that_only_looks_like_a_name_of_ours_is_granted_none_of_them(login):
    [permission] = definitions({login: "producer"})["permissions"]
    assert not [name for name in OURS if re.search(permission["read"], name)]


@pytest.mark.parametrize("kind", ["gateway", "room", "history", "operator", "everything"])
def test_a_login_of_gatehouse_itself_may_have_any_name(kind):
    assert definitions({"room": kind})["permissions"][0]["user"] == "room"


def test_the_definitions_hold_all_that_a_service_declares():
    made = definitions({}, vhost="chat", shards=16)
    assert [each["name"] for each in made["exchanges"]] == [each.name for each in topology.EXCHANGES]
    assert {each["name"]: each["arguments"] for each in made["queues"]} == {
        queue.name: queue.arguments for queue in topology.queues(16)
    }
    bound = {(each["source"], each["routing_key"], each["destination"]) for each in made["bindings"]}
    assert bound == {
        (binding.exchange, binding.key, queue.name) for queue in topology.queues(16) for binding in queue.bindings
    }
    assert {each["vhost"] for name in ("exchanges", "queues", "bindings") for each in made[name]} == {"chat"}


def test_definitions_are_printed_for_the_broker_to_load(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["rights", "robot=producer", "--vhost", "chat"])
    main()
    printed = json.loads(capsys.readouterr().out)
    assert printed == definitions({"robot": "producer"}, vhost="chat")
    monkeypatch.setattr(sys, "argv", ["rights", "--own"])
    main()
    assert json.loads(capsys.readouterr().out) == own_definitions()


@pytest.mark.parametrize("argument", ["robot", "robot=king", "=producer", "room=producer"])
def test_what_cannot_be_granted_is_said(monkeypatch, capsys, argument):
    monkeypatch.setattr(sys, "argv", ["rights", argument])
    with pytest.raises(SystemExit):
        main()
    assert "is no" in capsys.readouterr().err


def test_the_table_has_a_row_for_every_kind():
    table = permissions_table().splitlines()
    assert len(table) == 2 + len(RIGHTS)
    assert all(line.replace(r"\|", "").count("|") == 6 for line in table)
    assert set(OWN_LOGINS.values()) <= RIGHTS.keys()
