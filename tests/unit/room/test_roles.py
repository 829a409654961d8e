"""The table of who may do what to whom, read as a matrix."""

import pytest

from schemas.commands import COMMANDS
from schemas.roles import MessageKind, Role
from services.room.roles import LEAST, LEAST_TO_SEND, ONLY_OVER_LOWER, may, may_do_to

DOWNWARDS = [Role.OWNER, Role.ADMIN, Role.MODERATOR, Role.MEMBER, Role.READER]
WITHOUT_A_ROLE = {"create", "join", "attach", "detach"}


def test_every_verb_of_the_contract_is_in_the_table_or_needs_no_role():
    assert set(LEAST) | WITHOUT_A_ROLE == set(COMMANDS)
    assert not set(LEAST) & WITHOUT_A_ROLE
    assert set(LEAST) >= ONLY_OVER_LOWER


@pytest.mark.parametrize(
    ("verb", "allowed"),
    [("close", 1), ("update", 2), ("set_role", 2), ("kick", 3), ("add", 3), ("invite", 3), ("send", 4), ("leave", 5)],
)
def test_a_verb_is_for_a_role_and_all_above_it(verb, allowed):
    assert [may(role, verb) for role in DOWNWARDS] == [True] * allowed + [False] * (5 - allowed)


def test_every_kind_of_message_has_a_lowest_role():
    assert set(LEAST_TO_SEND) == set(MessageKind)


@pytest.mark.parametrize("verb", sorted(ONLY_OVER_LOWER))
@pytest.mark.parametrize("role", DOWNWARDS)
@pytest.mark.parametrize("target", DOWNWARDS)
def test_nobody_acts_on_an_equal_or_a_higher_role(verb, role, target):
    lower = DOWNWARDS.index(target) > DOWNWARDS.index(role)
    assert may_do_to(role, verb, target) == (lower and may(role, verb))


def test_a_verb_that_is_not_against_somebody_works_on_any_role():
    assert may_do_to(Role.MODERATOR, "invite", Role.OWNER)
