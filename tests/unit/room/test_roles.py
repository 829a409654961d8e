"""The tables of who may do what. What follows from them for each verb stands in test_decide_matrix."""

import pytest

from schemas.commands import COMMANDS, GATE_VERBS, OPERATOR_VERBS
from schemas.roles import MessageKind, Role
from services.room.roles import (
    IN_A_CLOSED_ROOM,
    IN_A_DIRECT_ROOM,
    LEAST,
    LEAST_TO_SEND,
    STANDING,
    WANTS_A_VOICE,
    may,
    may_give,
    may_rule,
    may_send,
    outranks,
)

DOWNWARDS = [Role.OWNER, Role.ADMIN, Role.MODERATOR, Role.MEMBER, Role.READER]


def test_every_verb_of_the_contract_is_in_the_table_or_needs_no_role():
    assert {*LEAST, "create", "join", *GATE_VERBS, *OPERATOR_VERBS} == set(COMMANDS)
    assert not set(LEAST) & {"create", "join", *GATE_VERBS, *OPERATOR_VERBS}


@pytest.mark.parametrize("verbs", [IN_A_CLOSED_ROOM, IN_A_DIRECT_ROOM, WANTS_A_VOICE])
def test_the_tables_of_rooms_and_voices_name_verbs_of_members(verbs):
    assert verbs <= set(LEAST)


def test_every_role_has_its_standing():
    assert sorted(STANDING, key=lambda role: -STANDING[role]) == DOWNWARDS == list(Role)


@pytest.mark.parametrize(
    ("verb", "allowed"),
    [("close", 1), ("update", 2), ("set_role", 2), ("kick", 3), ("add", 3), ("invite", 3), ("send", 4), ("leave", 5)],
)
def test_a_verb_is_for_a_role_and_all_above_it(verb, allowed):
    assert [may(role, verb) for role in DOWNWARDS] == [True] * allowed + [False] * (5 - allowed)


def test_every_kind_of_message_has_a_lowest_role():
    assert set(LEAST_TO_SEND) == set(MessageKind)
    assert [may_send(role, MessageKind.SYSTEM) for role in DOWNWARDS] == [True, True, True, False, False]
    assert [may_send(role, MessageKind.MEDIA) for role in DOWNWARDS] == [True, True, True, True, False]


def test_moderators_and_above_rule_over_messages():
    assert [may_rule(role) for role in DOWNWARDS] == [True, True, True, False, False]


@pytest.mark.parametrize("role", DOWNWARDS)
def test_one_outranks_who_is_lower_and_who_is_no_member(role):
    lower = DOWNWARDS[DOWNWARDS.index(role) + 1 :]
    assert [other for other in DOWNWARDS if outranks(role, other)] == lower
    assert outranks(role, None)


@pytest.mark.parametrize("role", DOWNWARDS[1:])
def test_one_gives_lower_roles_than_one_s_own(role):
    assert [other for other in DOWNWARDS if may_give(role, other)] == DOWNWARDS[DOWNWARDS.index(role) + 1 :]


def test_an_owner_gives_every_role():
    assert all(may_give(Role.OWNER, other) for other in DOWNWARDS)
