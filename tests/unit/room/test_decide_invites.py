"""Invites: made with a secret, bounded, swept, revoked. How they are used stands in test_decide_membership."""

from datetime import timedelta

import pytest

from schemas import limits
from schemas.errors import Code
from schemas.events import InviteCreated, InviteRevoked
from schemas.roles import Role
from services.room.decide import decide
from services.room.decisions import Circumstances
from services.room.model import evolve
from tests.unit.room.given import NOW, TOKEN, command, decided, refused, room, room_with

WEEK = timedelta(days=7)


def room_with_invites(count, **different):
    """A room with so many invites; `different` says of some, by their number, what is not as usual."""
    usual = {"role": "reader", "expires_at": NOW + WEEK}
    facts = [
        ("invite_created", {"invite": f"invite-{n:03}", **usual, **different.get(f"n{n}", {})}) for n in range(count)
    ]
    return room_with(*facts)


class TestInvite:
    def test_its_id_is_the_secret_and_it_lasts_a_week_for_members(self):
        decision = decided(room(), command("invite", "mona"))
        assert isinstance(decision, InviteCreated)
        assert (decision.invite, decision.role, decision.max_uses, decision.swept) == (TOKEN, Role.MEMBER, None, ())
        assert decision.expires_at == NOW + WEEK
        assert evolve(room(), decision).invites[TOKEN].uses == 0

    def test_it_is_as_was_asked_for(self):
        until = NOW + timedelta(days=365)
        decision = decided(room(), command("invite", "mona", role="reader", max_uses=3, expires_at=until))
        assert (decision.role, decision.max_uses, decision.expires_at) == (Role.READER, 3, until)

    @pytest.mark.parametrize("late", [timedelta(0), timedelta(seconds=-1), timedelta(days=365, microseconds=1)])
    def test_it_ends_in_the_future_and_within_a_year(self, late):
        assert refused(room(), command("invite", "mona", expires_at=NOW + late)) is Code.BAD_FIELD

    def test_a_room_holds_so_many(self):
        assert refused(room_with_invites(limits.INVITES), command("invite", "mona")) is Code.TOO_MANY
        assert isinstance(decided(room_with_invites(limits.INVITES - 1), command("invite", "mona")), InviteCreated)

    def test_what_has_expired_or_is_used_up_is_swept_and_makes_place(self):
        full = room_with_invites(limits.INVITES, n7={"expires_at": NOW}, n3={"max_uses": 1}, n4={"max_uses": 2})
        for guest, invite in (("bob", "invite-003"), ("ben", "invite-004")):
            full = evolve(full, decided(full, command("join", guest, invite=invite), now=NOW - WEEK))
        decision = decided(full, command("invite", "mona"))
        assert isinstance(decision, InviteCreated)
        assert decision.swept == ("invite-003", "invite-007")
        after = evolve(full, decision)
        assert set(full.invites) - set(after.invites) == {"invite-003", "invite-007"}
        assert len(after.invites) == limits.INVITES - 1

    def test_who_decides_one_has_drawn_its_secret(self):
        with pytest.raises(AssertionError, match="token"):
            decide(room(), command("invite", "mona"), Circumstances(NOW))


class TestRevokeInvite:
    def test_it_is_forgotten(self):
        held = room_with_invites(2)
        decision = decided(held, command("revoke_invite", "mona", invite="invite-000"))
        assert isinstance(decision, InviteRevoked)
        assert set(evolve(held, decision).invites) == {"invite-001"}

    def test_one_that_nobody_made_is_invalid(self):
        assert refused(room(), command("revoke_invite", "mona", invite="invite-000")) is Code.INVITE_INVALID
