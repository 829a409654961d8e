"""How REST says each verb: one table, for every test that says commands over it."""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from urllib.parse import quote


class Call(NamedTuple):
    """How a verb is said over REST: where, and what the fields of the command are called in the query and the body.
    A body without fields is sent as such; None: there is none."""

    method: str
    path: str
    query: Mapping[str, str] = MappingProxyType({})
    body: Mapping[str, str] | None = None

    @property
    def fields(self) -> frozenset[str]:
        """The fields that it carries."""
        in_path = {IN_PATHS.get(name, name) for _, name, _, _ in Formatter().parse(self.path) if name}
        return frozenset((*in_path, *self.query, *(self.body or ())))

    def path_of(self, fields: Mapping[str, Any]) -> str:
        """The path with the fields that stand in it."""
        quoted = {name: quote(str(value), safe="") for name, value in fields.items()}
        return self.path.format_map(quoted | {rest: quoted[ours] for rest, ours in IN_PATHS.items() if ours in fields})


IN_PATHS: Final = {"message": "seq"}
"""What paths call a field otherwise than the command does."""


def _same(*names: str, **others: str) -> dict[str, str]:
    """Fields that are called the same, and `others` that are not."""
    return {name: name for name in names} | others


_MESSAGE: Final = "/chat/{room}/messages/{message}"
_PERSON: Final = "/chat/{room}/participants/{user}"
_SEND: Final = _same("kind", "metadata", "reply_to", "mentions", text="content")
_CREATE: Final = _same(
    *("title", "visibility", "capacity", "topic", "metadata", "retention_days"), members="additional_participants"
)

CALLS: Final[dict[str, Call]] = {
    "create": Call("POST", "/chat/create", body=_CREATE),
    "update": Call("PATCH", "/chat/{room}", body=_same("title", "topic", "capacity", "visibility", "metadata")),
    "close": Call("DELETE", "/chat/{room}"),
    "join": Call("POST", "/chat/{room}/join", body=_same("invite")),
    "leave": Call("DELETE", "/chat/{room}/leave", query=_same("successor")),
    "add": Call("POST", "/chat/{room}/participants", body=_same(user="user_id")),
    "kick": Call("DELETE", _PERSON, query=_same("reason")),
    "ban": Call("PUT", "/chat/{room}/bans/{user}", body=_same("reason", "until")),
    "unban": Call("DELETE", "/chat/{room}/bans/{user}"),
    "set_role": Call("PUT", f"{_PERSON}/role", body=_same("role")),
    "mute": Call("PUT", f"{_PERSON}/mute", body=_same("until")),
    "unmute": Call("DELETE", f"{_PERSON}/mute"),
    "invite": Call("POST", "/chat/{room}/invites", body=_same("role", "expires_at", "max_uses")),
    "revoke_invite": Call("DELETE", "/chat/{room}/invites/{invite}"),
    "send": Call("POST", "/chat/{room}/message", body=_SEND),
    "edit": Call("PATCH", _MESSAGE, body=_same(text="content")),
    "delete": Call("DELETE", _MESSAGE),
    "react": Call("PUT", f"{_MESSAGE}/reactions/{{emoji}}"),
    "unreact": Call("DELETE", f"{_MESSAGE}/reactions/{{emoji}}"),
    "mark_read": Call("POST", "/chat/{room}/read", body=_same("seq")),
    "mark_delivered": Call("POST", "/chat/{room}/delivered", body=_same("seq")),
    "typing": Call("POST", "/chat/{room}/typing", body=_same("active")),
    "set_status": Call("PUT", "/chat/{room}/status", body=_same("state", "mood", "text")),
}
"""The operation of every verb."""

LEFT_OUT: Final = frozenset({("create", "room")})
"""Fields of verbs that REST cannot carry: an id is made up of the creator and the key of the request."""

LINKS: Final[dict[str, Call]] = {
    "join": Call("POST", "/chat/join/{room}.{invite}"),
    "invite": Call("POST", "/chat/{room}/share", body=_same("max_uses")),
}
"""Verbs that are said once more, by share links."""


def renamed(names: Mapping[str, str], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that REST calls so, as it calls them; whoever is to be a member is a person there."""
    told = {rest: fields[ours] for ours, rest in names.items() if ours in fields}
    people = told.get("additional_participants")
    return told if people is None else told | {"additional_participants": [{"user_id": user} for user in people]}
