"""Room and history never import each other: that they agree on who rules a room is seen here."""

import pytest

from schemas.roles import Role
from services.history.pages import RULING
from services.room.roles import may


@pytest.mark.parametrize("verb", ["ban", "unban", "invite", "revoke_invite"])
def test_who_may_ban_and_invite_is_who_sees_bans_and_invites(verb):
    assert {role for role in Role if may(role, verb)} == RULING
