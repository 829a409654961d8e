"""Who wants in, or wants to be somebody else: forged tokens, borrowed names, rooms of others. Beside each attack stands
the same deed of somebody who may, and it succeeds."""

import asyncio
import base64
import json
import time
from contextlib import suppress

import jwt
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from schemas.ids import direct_room_id
from tests.bed.conversation import ConversationClient
from tests.bed.waiting import eventually
from tests.security.town import SECRET, WAIT
from tests.unit.gateway.signers import by_hand

pytestmark = [
    pytest.mark.broker,
    pytest.mark.store,
    pytest.mark.stack,
    pytest.mark.asyncio(loop_scope="module"),
]

DOORS = ("header", "subprotocol", "query", "hello", "rest", "conversation")
NOWHERE = "no-such-room"
NO_DIRECT_ROOM = direct_room_id("nobody", "no-one")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cellar(town):
    return await town.dig_cellar()


# Forged tokens


def forged_tokens(town):
    """Tokens that say `alice` and were not made by who knows the secret, or not for now."""
    claims = {"sub": "alice", "exp": time.time() + 600}
    head, body, signature = town.stack.token("bob").split(".")
    says_alice = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    key = base64.urlsafe_b64encode(b"k" * 32).decode().rstrip("=")
    own_key = {"jwk": {"kty": "oct", "k": key}, "jku": "http://127.0.0.1/keys", "kid": "../../../../dev/null"}
    return {
        "signed with another secret": jwt.encode(claims, "k" * 32, algorithm="HS256"),
        "signed with a key that it brings along": jwt.encode(claims, "k" * 32, algorithm="HS256", headers=own_key),
        "signed with nothing": by_hand({"alg": "none", "typ": "JWT"}, claims),
        "signed with nothing, in other letters": by_hand({"alg": "nOnE"}, claims),
        "signed with nothing, and said to be signed": by_hand({"alg": "HS256", "typ": "JWT"}, claims),
        "bob's, with alice's name in it": f"{head}.{says_alice}.{signature}",
        "bob's, with alice's name behind it": f"{head}.{body}.{signature}.{says_alice}",
        "good, and over": jwt.encode({**claims, "exp": time.time() - 60}, town.stack.jwt_secret, algorithm="HS256"),
    }


async def what_is_read(town, door, token, room):
    """The room's newest page as this door gives it to a token; else why not."""
    if door == "rest":
        answer = await town.rest(None).get(f"/chat/{room}/messages", headers={"Authorization": f"Bearer {token}"})
        return answer.text
    url = town.stack.http.replace("http", "ws", 1) + (f"/chat/ws/{room}" if door == "conversation" else "/ws")
    told = {"header": headed, "conversation": headed, "subprotocol": offered}.get(door, plain)(token)
    try:
        async with connect(f"{url}?token={token}" if door == "query" else url, **told, compression=None) as socket:
            said = [{"type": "hello", "token": token}] if door == "hello" else []
            said += [{"type": "history", "room": room}] if door != "conversation" else []
            return await heard_until_secret_or_end(socket, said)
    except InvalidStatus as refused:
        return f"{refused.response.status_code} {refused.response.body.decode()}"


def headed(token):
    return {"additional_headers": {"Authorization": f"Bearer {token}"}}


def offered(token):
    return {"subprotocols": ["gatehouse", f"bearer.{token}"]}


def plain(_):
    return {}


async def heard_until_secret_or_end(socket, said):
    heard = ""
    with suppress(ConnectionClosed):
        for frame in said:
            await socket.send(json.dumps(frame))
    try:
        async with asyncio.timeout(WAIT):
            while SECRET not in heard:
                heard += str(await socket.recv())
    except ConnectionClosed as closed:
        heard += f" {closed.rcvd.code if closed.rcvd else None}"
    return heard


async def test_a_forged_token_reads_nothing_through_any_door(town, cellar):
    good = town.stack.token("alice")
    for door in DOORS:
        assert SECRET in await what_is_read(town, door, good, cellar.room), door
    for name, token in forged_tokens(town).items():
        heard = {door: await what_is_read(town, door, token, cellar.room) for door in DOORS}
        word = "token_expired" if name == "good, and over" else "unauthenticated"
        assert all(word in each and SECRET not in each for each in heard.values()), (name, heard)


# Borrowed names


async def authors(town, room):
    """Who wrote what, as history has it for the room's owner, who reads through what she wrote last."""
    alice = await town.enter("alice")
    last = await alice.ask("send", room=room, text="who was that?")
    page = await alice.ask("history", room=room, before=last["seq"])
    return [(event["actor"], event["text"]) for event in page["events"] if event["event"] == "message_posted"]


@pytest.mark.parametrize("field", ["actor", "client", "user", "sub", "sender", "sessions", "token"])
async def test_no_field_of_a_frame_makes_somebody_else_speak(town, field):
    cellar = await town.dig_cellar()
    bob, alice = await town.enter("bob"), await town.enter("alice")
    value = {"client": (await alice.welcome)["client_id"], "token": town.stack.token("alice")}.get(field, "alice")
    refused = await bob.ask("send", room=cellar.room, text="alice is a fool", **{field: value})
    assert (refused["type"], refused["code"]) == ("refused", "bad_field")
    assert (await bob.ask("send", room=cellar.room, text="as myself"))["type"] == "accepted"
    assert await authors(town, cellar.room) == [("alice", SECRET), ("bob", "as myself")]


async def test_no_header_and_no_body_of_a_request_makes_somebody_else_speak(town):
    cellar = await town.dig_cellar()
    path, bob = f"/chat/{cellar.room}/message", town.rest("bob")
    for name in ("X-User", "X-User-Id", "X-Remote-User", "X-Forwarded-User", "X-Gatehouse-Actor", "From"):
        assert (await bob.post(path, json={"content": name}, headers={name: "alice"})).is_success
    both = [("Authorization", f"Bearer {town.stack.token(user)}") for user in ("bob", "alice")]
    assert (await town.rest(None).post(path, json={"content": "two tokens"}, headers=both)).status_code == 400
    answer = await bob.post(path, json={"content": "a sender", "sender_id": "alice"})
    assert (answer.status_code, answer.json()["code"]) == (403, "IMPERSONATION_DENIED")
    for field in ("actor", "user", "user_id", "client"):
        assert (await bob.post(path, json={"content": field, field: "alice"})).is_success
    written = await authors(town, cellar.room)
    assert len(written) == 11
    assert {author for author, text in written if text != SECRET} == {"bob"}


async def test_no_frame_of_the_conversation_socket_makes_somebody_else_speak(town):
    cellar = await town.dig_cellar()
    bob = town.keep(await ConversationClient.open(town.stack.http, cellar.room, town.stack.token("bob")))
    borrowed = dict.fromkeys(("sender_id", "participant_id", "participantId", "actor", "user_id"), "alice")
    borrowed |= {"participant": {"participantId": "alice"}}
    assert (await bob.send("I am alice", "b-1", **borrowed))["type"] == "message_ack"
    assert await authors(town, cellar.room) == [("alice", SECRET), ("bob", "I am alice")]


async def test_no_body_and_no_property_of_an_outsider_makes_somebody_else_speak(town):
    cellar = await town.dig_cellar("mallory")
    mallory = await town.producer("mallory")
    key = f"room.{cellar.room}.send"
    body = {"type": "send", "room": cellar.room, "command_id": "m-1", "text": "I am alice"}
    assert (await mallory.say(cellar.room, "send", text="x", actor="alice"))["code"] == "not_allowed"
    assert (await mallory.say(cellar.room, "send", text="x", client="g1/alice"))["code"] == "bad_field"
    assert (await mallory.ask("chat.inbox", key, body, user_id=None))["code"] == "unauthenticated"
    assert not await mallory.may_say_to_be("alice", "chat.inbox", key, json.dumps(body).encode())
    told = {"x-user-id": "alice", "actor": "alice"}
    assert (await mallory.ask("chat.inbox", key, body, headers=told))["type"] == "accepted"
    assert await authors(town, cellar.room) == [("alice", SECRET), ("mallory", "I am alice")]


# Rooms of others


def frames_that_read(cellar):
    """Every way to read a room over the WebSocket."""
    true_position = {"epoch": cellar.epoch, "seq": cellar.seq - 1}
    return [
        ("history", {"room": cellar.room}),
        ("history", {"room": cellar.room, "after": 0}),
        ("history", {"room": cellar.room, "before": cellar.seq + 1}),
        ("search", {"room": cellar.room, "query": "treasure"}),
        ("members", {"room": cellar.room}),
        ("attach", {"room": cellar.room}),
        ("attach", {"room": cellar.room, "position": true_position}),
        ("attach", {"room": cellar.room, "position": {"epoch": cellar.epoch, "seq": 0}, "echo": True}),
    ]


def without_names(answer):
    """What an answer says, without what names the question."""
    return {name: value for name, value in answer.items() if name not in ("id", "command_id", "room")}


async def test_i10_a_stranger_reads_a_private_room_in_no_way_that_a_member_does(town, cellar):
    bob, eve = await town.enter("bob"), await town.enter("eve")
    for kind, fields in frames_that_read(cellar):
        asked = await eventually(lambda kind=kind, fields=fields: answered(bob, kind, fields), WAIT)
        assert asked["type"] != "refused", kind
        private, absent = await eve.ask(kind, **fields), await eve.ask(kind, **fields | {"room": NOWHERE})
        assert (private["type"], private["code"]) == ("refused", "room_not_found"), kind
        assert without_names(private) == without_names(absent), kind
    assert SECRET in json.dumps(bob.events[cellar.room])
    everywhere = [await each.ask("search", query="treasure") for each in (bob, eve)]
    assert [SECRET in json.dumps(found) for found in everywhere] == [True, False]
    assert (eve.events, eve.frames) == ({}, [])


async def answered(client, kind, fields):
    """The answer, once it is no empty list: what was said a moment ago is found a little later."""
    answer = await client.ask(kind, **fields)
    return None if answer.get("events") == [] else answer


@pytest.mark.parametrize("kind", ["snapshot", "lookup", "page", "hole", "target", "message", "inspect", "room"])
async def test_i10_no_door_lets_anybody_ask_what_only_services_ask(town, cellar, kind):
    asked = {"room": cellar.room, "actor": "alice", "worker": "w", "after": 0, "limit": 10, "seq": cellar.seq}
    bob, mallory = await town.enter("bob"), await town.producer("mallory")
    assert (await bob.ask(kind, **asked))["code"] in ("bad_frame", "unknown_command")
    refused = await mallory.say(cellar.room, kind, **asked | {"actor": "mallory"})
    assert refused["code"] == "unknown_command"
    body = json.dumps({"type": kind, **asked}).encode()
    for exchange, key in (
        ("chat.queries", "history"),
        ("chat.log", f"query.00.{cellar.room}"),
        ("", "history.queries"),
    ):
        assert not await mallory.may_publish(exchange, key, body=body, reply_to="amq.rabbitmq.reply-to")


READS = (
    "/chat/conversations/{room}",
    "/chat/{room}/messages",
    "/chat/{room}/messages?after=0",
    "/chat/{room}/messages?before=99",
    "/chat/{room}/messages/{seq}",
    "/chat/{room}/messages/{message_id}",
    "/chat/{room}/participants",
    "/chat/search?query=treasure&room={room}",
)


async def test_i10_rest_shows_a_stranger_nothing_of_a_private_room(town, cellar):
    bob, eve, told = town.rest("bob"), town.rest("eve"), {"seq": cellar.seq, "message_id": cellar.message_id}
    for path in READS:
        assert (await bob.get(path.format(room=cellar.room, **told))).is_success, path
        private, absent = [await eve.get(path.format(room=room, **told)) for room in (cellar.room, NOWHERE)]
        assert private.status_code == absent.status_code == 404, path
        assert private.text.replace(cellar.room, NOWHERE) == absent.text, path
    for path in ("/chat/search?query=treasure", "/chat/my-conversations", "/chat/rooms"):
        assert cellar.room not in (await eve.get(path)).text, path


async def test_i10_whoever_guesses_ids_learns_nothing(town, cellar):
    alice, eve = await town.enter("alice"), await town.enter("eve")
    direct = direct_room_id("alice", "bob")
    made = await alice.ask("create", title="We two", visibility="direct", members=["bob"])
    assert (made["type"], made["room"]) == ("accepted", direct)
    for kind, fields in frames_that_read(cellar):
        there, absent = [await eve.ask(kind, **fields | {"room": room}) for room in (direct, NO_DIRECT_ROOM)]
        assert without_names(there) == without_names(absent), kind
    for visibility in ("direct", "private", "public"):
        wish = {"title": "Mine", "visibility": visibility, "members": ["alice"]}
        there, absent = [await eve.ask("create", room=room, **wish) for room in (direct, NO_DIRECT_ROOM)]
        assert (there["code"], without_names(there)) == ("bad_field", without_names(absent))
    sockets = [await handshake_status(town, room, "eve") for room in (direct, NO_DIRECT_ROOM)]
    assert sockets == [404, 404]
    assert await handshake_status(town, direct, "bob") == 101

    await eve.ask("create", room=f"eves-{cellar.room}", title="Eve's", visibility="private")
    own = await town.rest("eve").get(f"/chat/eves-{cellar.room}/messages/{cellar.message_id}")
    assert own.status_code == 404, "a message of another room by its id, asked for in one's own"
    for guess in (f"{cellar.room}.{'A' * 22}", f"{NOWHERE}.{'A' * 22}"):
        assert (await town.rest("eve").get(f"/chat/invites/{guess}")).status_code == 404
        assert (await town.rest("eve").post(f"/chat/join/{guess}")).status_code == 404
    assert (await town.rest("eve").get("/gateway/connections")).status_code == 403


async def handshake_status(town, room, user):
    url = town.stack.http.replace("http", "ws", 1) + f"/chat/ws/{room}"
    try:
        async with connect(url, **headed(town.stack.token(user)), compression=None) as socket:
            return socket.response.status_code
    except InvalidStatus as refused:
        return refused.response.status_code


# Who was put out


async def test_none_of_a_banned_users_open_sockets_hears_or_says_anything_more(town):
    cellar = await town.dig_cellar("mallory")
    alice, room = await town.enter("alice"), cellar.room
    bobs = [await town.enter("bob", gate) for gate in (0, 1)]
    sockets = [await town.enter("mallory", gate) for gate in (0, 1)]
    idle = await town.enter("mallory", 1)
    conversation = town.keep(await ConversationClient.open(town.stack.gates[1].url, room, town.stack.token("mallory")))
    login = await town.producer("mallory")
    for client in (*bobs, *sockets):
        assert (await client.ask("attach", room=room))["type"] == "attached"
    before = await alice.ask("send", room=room, text="before the ban")
    await eventually(lambda: all(each.seqs(room)[-1:] == [before["seq"]] for each in (*bobs, *sockets)), WAIT)
    await eventually(lambda: conversation.of("message")[-1]["content"] == "before the ban", WAIT)

    ban = await alice.ask("ban", room=room, user="mallory")
    after = await alice.ask("send", room=room, text="after the ban")
    await eventually(lambda: all(each.seqs(room)[-1:] == [after["seq"]] for each in bobs), WAIT)
    assert await conversation.closed() == (4502, "banned")
    assert "after the ban" not in json.dumps(conversation.told)
    for client in (*sockets, idle):
        assert (await client.ask("ping"))["type"] == "pong"
        assert client.seqs(room)[-1:] in ([ban["seq"]], [])
        for verb, fields in (("send", {"text": "x"}), ("typing", {}), ("react", {"seq": before["seq"], "emoji": "x"})):
            assert (await client.ask(verb, room=room, **fields))["code"] == "banned", verb
        for verb in ("join", "attach"):
            assert (await client.ask(verb, room=room))["code"] == "banned", verb
    assert [[frame["code"] for frame in each.frames if frame["type"] == "detached"] for each in sockets] == [
        ["banned"]
    ] * 2
    assert (await login.say(room, "send", text="x"))["code"] == "banned"
    assert (await town.rest("mallory").post(f"/chat/{room}/message", json={"content": "x"})).status_code == 403
    await eventually(lambda: is_hidden(town, room), WAIT)
    assert await handshake_status(town, room, "mallory") == 403
    assert "after the ban" not in json.dumps([client.events for client in (*sockets, idle)])


async def is_hidden(town, room):
    """Pages are refused, which is a moment after the ban; none before that holds what came behind it."""
    page = await town.rest("mallory").get(f"/chat/{room}/messages")
    if "after the ban" in page.text:
        pytest.fail(f"a page shows what came after the ban: {page.text}")
    return page.status_code == 404


# Invites


async def test_an_invite_lets_in_no_more_than_it_says_however_many_race(town):
    cellar = await town.dig_cellar()
    alice, room = await town.enter("alice"), cellar.room
    invite = (await alice.ask("invite", room=room, max_uses=3))["invite"]
    sockets = [await town.enter(f"runner-{number}", number % 2) for number in range(8)]
    logins = [await town.producer(f"robot-{number}") for number in range(4)]
    guests = [town.rest(f"guest-{number}") for number in range(8)]
    outcomes = await asyncio.gather(
        *(each.ask("join", room=room, invite=invite) for each in sockets),
        *(each.say(room, "join", invite=invite) for each in logins),
        *(joined_by_link(each, room, invite) for each in guests),
        *(joined_by_link(each, room, invite) for each in guests),
    )
    codes = sorted(each.get("code", "accepted") for each in outcomes)
    assert codes.count("accepted") == 3
    assert set(codes) <= {"accepted", "invite_invalid", "room_not_found", "already_a_member"}

    assert (await alice.ask("send", room=room, text="who is here now?"))["type"] == "accepted"
    members = (await alice.ask("members", room=room))["members"]
    assert len([one for one in members if one["user"] not in ("alice", "bob")]) == 3
    late = await town.enter("late")
    assert (await late.ask("join", room=room, invite=invite))["code"] in ("invite_invalid", "room_not_found")
    assert (await late.ask("history", room=room))["code"] == "room_not_found"


async def joined_by_link(http, room, invite):
    answer = await http.post(f"/chat/join/{room}.{invite}")
    return {} if answer.is_success else {"code": answer.json()["gatehouse_code"]}
