"""The demo's login."""

from __future__ import annotations

from pydantic import BaseModel

from schemas.ids import UserId
from services.gateway.doors.rest.models.incoming import Incoming


class Login(Incoming):
    """A demo user."""

    user: UserId


class LoginToken(BaseModel):
    """A token for a demo user."""

    token: str
    user: UserId
