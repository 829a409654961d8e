"""Typed lines: messages, and the commands of the table."""

from datetime import UTC, datetime

import pytest

from clients.cli.slash import TABLE, Deed, Local, Say, Wrong, help_lines, read_typed

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
IN_TWO_HOURS = "2026-11-20T14:00:00+00:00"
IN_A_WEEK = "2026-11-27T12:00:00+00:00"


def typed(text):
    return read_typed(text, "general", NOW)


@pytest.mark.parametrize(
    ("text", "said"), [("hello", "hello"), (" /who", " /who"), ("//who", "/who"), ("", ""), ("a / b", "a / b")]
)
def test_what_begins_with_no_slash_or_with_two_is_said(text, said):
    assert typed(text) == Say(said)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("/edit 3 two words", {"type": "edit", "seq": 3, "text": "two words"}),
        ("/edit #3  x", {"type": "edit", "seq": 3, "text": "x"}),
        ("/reply 3 yes", {"type": "send", "text": "yes", "reply_to": 3}),
        ("/delete 12", {"type": "delete", "seq": 12}),
        ("/react 3 👍", {"type": "react", "seq": 3, "emoji": "👍"}),
        ("/unreact 3 👍", {"type": "unreact", "seq": 3, "emoji": "👍"}),
        ("/status away", {"type": "set_status", "state": "away"}),
        ("/status dnd at work", {"type": "set_status", "state": "dnd", "text": "at work"}),
        ("/topic tea and cake", {"type": "update", "topic": "tea and cake"}),
        ("/title Tea", {"type": "update", "title": "Tea"}),
        ("/invite", {"type": "invite"}),
        ("/invite 5 reader 2h", {"type": "invite", "max_uses": 5, "role": "reader", "expires_at": IN_TWO_HOURS}),
        ("/revoke invite-12", {"type": "revoke_invite", "invite": "invite-12"}),
        ("/join cellar", {"type": "join", "room": "cellar"}),
        ("/join cellar invite-12", {"type": "join", "room": "cellar", "invite": "invite-12"}),
        ("/leave", {"type": "leave"}),
        ("/leave bob", {"type": "leave", "successor": "bob"}),
        ("/add bob", {"type": "add", "user": "bob"}),
        ("/kick bob", {"type": "kick", "user": "bob"}),
        ("/kick bob 2h of noise", {"type": "kick", "user": "bob", "reason": "2h of noise"}),
        ("/ban bob", {"type": "ban", "user": "bob"}),
        ("/ban bob too loud", {"type": "ban", "user": "bob", "reason": "too loud"}),
        ("/ban bob 7d too loud", {"type": "ban", "user": "bob", "until": IN_A_WEEK, "reason": "too loud"}),
        ("/unban bob", {"type": "unban", "user": "bob"}),
        ("/role bob admin", {"type": "set_role", "user": "bob", "role": "admin"}),
        ("/mute bob", {"type": "mute", "user": "bob"}),
        ("/mute bob 10m", {"type": "mute", "user": "bob", "until": "2026-11-20T12:10:00+00:00"}),
        ("/unmute bob", {"type": "unmute", "user": "bob"}),
        ("/close", {"type": "close"}),
    ],
)
def test_a_command_of_the_table_becomes_its_frame(text, fields):
    assert typed(text) == Deed(fields)


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("/who", Local("who")),
        ("/history", Local("history")),
        ("/history 5", Local("history", 5)),
        ("/help", Local("help")),
    ],
)
def test_what_the_client_answers_itself_is_no_command(text, local):
    assert typed(text) == local


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("/sing", "/sing is not known here; /help lists what is"),
        ("/", "/ is not known here; /help lists what is"),
        ("/edit", "it is /edit SEQ TEXT"),
        ("/edit three words here", "it is /edit SEQ TEXT"),
        ("/edit 3", "it is /edit SEQ TEXT"),
        ("/delete 3 please", "it is /delete SEQ"),
        ("/who else", "it is /who"),
        ("/history many", "it is /history N"),
        ("/role bob", "it is /role USER ROLE"),
        ("/kick", "it is /kick USER [REASON]"),
        ("/mute bob because", "it is /mute USER [10m|2h|7d]"),
        ("/invite 5 6", "it is /invite [ROLE] [USES] [10m|2h|7d]"),
        ("/leave bob carol", "it is /leave [SUCCESSOR]"),
        ("/close now", "it is /close"),
        ("/unban two words", "it is /unban USER"),
    ],
)
def test_what_cannot_be_obeyed_says_how_it_is_done(text, sentence):
    assert typed(text) == Wrong(sentence)


@pytest.mark.parametrize(
    "text",
    [
        "/role bob emperor",
        "/status asleep",
        "/join no.dots",
        "/react 3 " + "x" * 33,
        "/kick " + "b" * 129,
        "/revoke short",
        "/delete 99999999999999999",
    ],
)
def test_what_the_kernel_does_not_allow_never_leaves(text):
    assert isinstance(typed(text), Wrong)


def test_help_lists_the_whole_table():
    told = "\n".join(help_lines())
    assert all(f"/{slash.usage}" in told and slash.told in told for slash in TABLE)
