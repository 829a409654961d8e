"""The conversation socket on real sockets: its handshake, what its clients are told, and how it ends."""

from __future__ import annotations

import asyncio
import json
from os import dup
from socket import SO_SNDBUF, SOL_SOCKET
from socket import socket as plain_socket

import pytest
from websockets.exceptions import InvalidStatus

from schemas.errors import Code
from schemas.frames import Reset
from schemas.ids import UserId
from services.gateway.doors.conversation import door
from services.gateway.drain import drain
from services.gateway.wire import text_frame
from tests.bed.waiting import eventually
from tests.integration.gateway.conftest import WAIT_SECONDS, token
from tests.integration.gateway.test_websocket_sockets import RawClient, handshake

pytestmark = pytest.mark.broker


def bearer(user):
    return {"Authorization": f"Bearer {token(user)}"}


async def converse(bench, user, room="r"):
    """A socket of the conversation, with what it is told at first."""
    opened = await bench.socket(f"/chat/ws/{room}", additional_headers=bearer(user))
    return opened, await opened.take(2)


def knock(user):
    """The bytes of a handshake."""
    credentials = f"\r\nAuthorization: Bearer {token(user)}\r\n\r\n"
    return handshake("/chat/ws/r").replace(b"\r\n\r\n", credentials.encode())


async def refusal(bench, path, **options):
    with pytest.raises(InvalidStatus) as refused:
        await bench.socket(path, **options)
    response = refused.value.response
    assert response.headers["Content-Type"] == "application/problem+json"
    body = json.loads(response.body)
    assert body["status"] == response.status_code
    return response.status_code, body["code"], response


async def nothing_more(socket):
    assert await socket.ask(type="ping") == {"type": "pong"}


# The handshake.


@pytest.mark.parametrize("kind", ["header", "subprotocol"])
async def test_a_participant_is_let_in(bench, kind):
    bench.room.open("r", "ann", "bob", events=2)
    how = {
        "header": {"additional_headers": bearer("ann")},
        "subprotocol": {"subprotocols": ["gatehouse", f"bearer.{token('ann')}"]},
    }
    socket = await bench.socket("/chat/ws/r", **how[kind])
    connected, listed, *messages = await socket.take(4)
    assert connected == {
        "type": "connected",
        "conversation_id": "r",
        "participant_id": "ann",
        "mode": "multi",
        "input_timeout": 2000,
    }
    assert [one["participantId"] for one in listed["participants"]] == ["ann", "bob"]
    assert [(one["type"], one["content"], one["sequence_id"]) for one in messages] == [
        ("message", "old 1", 1),
        ("message", "old 2", 2),
    ]
    await nothing_more(socket)


async def test_only_the_last_fifty_messages_are_replayed(bench):
    bench.room.open("r", "ann", events=70)
    socket, _ = await converse(bench, "ann")
    assert [one["sequence_id"] for one in await socket.take(50)] == list(range(21, 71))
    await nothing_more(socket)


async def test_without_a_token_it_is_401_before_the_upgrade(bench):
    bench.room.open("r", "ann")
    status, code, response = await refusal(bench, "/chat/ws/r")
    assert (status, code) == (401, "MISSING_AUTH")
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(("seconds", "code"), [(-60, "TOKEN_EXPIRED"), (3600, "INVALID_TOKEN")])
async def test_a_bad_token_is_401(bench, seconds, code):
    secret = {} if seconds < 0 else {"secret": "another-secret-of-thirty-two-bytes!"}
    bad = {"Authorization": f"Bearer {token('ann', seconds=seconds, **secret)}"}
    assert (await refusal(bench, "/chat/ws/r", additional_headers=bad))[:2] == (401, code)


async def test_a_token_in_the_url_is_not_taken(bench):
    answer = await refusal(bench, f"/chat/ws/r?token={token('ann')}", additional_headers=bearer("ann"))
    assert answer[:2] == (400, "INSECURE_TOKEN_TRANSPORT")


@pytest.mark.parametrize("room", ["nowhere", "no.such.id", "", "a/b", "x" * 65])
async def test_an_unknown_conversation_is_404(bench, room):
    assert (await refusal(bench, f"/chat/ws/{room}", additional_headers=bearer("ann")))[:2] == (404, "NOT_FOUND")


async def test_who_is_no_participant_gets_403(bench):
    bench.room.open("r", "bob")
    answer = await refusal(bench, "/chat/ws/r", additional_headers=bearer("ann"))
    assert answer[:2] == (403, "NOT_PARTICIPANT")


async def test_a_no_of_history_is_asked_again_behind_the_log(bench):
    bench.room.open("r", "bob")
    bench.room.late["r"] = "ann"
    _, [connected, _] = await converse(bench, "ann")
    assert connected["participant_id"] == "ann"


async def test_the_answer_to_attach_is_the_final_word(bench):
    bench.room.open("r", "ann")
    bench.room.gone["r"] = "ann"
    socket = await bench.socket("/chat/ws/r", additional_headers=bearer("ann"))
    assert (await socket.receive())["code"] == "NOT_PARTICIPANT"
    assert await socket.closed() == (1000, "Left conversation")


async def test_when_history_does_not_answer_it_is_503_in_time(start_bench):
    bench = await start_bench(query_seconds=0.5)
    bench.room.open("r", "ann")
    bench.room.blind = True
    status, code, response = await refusal(bench, "/chat/ws/r", additional_headers=bearer("ann"))
    assert (status, code) == (503, "SERVICE_UNAVAILABLE")
    assert int(response.headers["Retry-After"]) >= 1
    assert bench.service.conversations._open.total() == 0


async def test_a_gate_that_goes_down_lets_nobody_in(bench):
    bench.room.open("r", "ann")
    bench.gate.draining = True
    answer = await refusal(bench, "/chat/ws/r", additional_headers=bearer("ann"))
    assert answer[:2] == (503, "DRAINING")
    bench.gate.draining = False


async def test_a_user_has_so_many_sockets_in_a_conversation_and_their_places_come_back(start_bench):
    bench = await start_bench(conversation_sockets_per_user=2)
    bench.room.open("r", "ann", "bob")
    bench.room.open("s", "ann")
    first, _ = await converse(bench, "ann")
    await converse(bench, "ann")
    answer = await refusal(bench, "/chat/ws/r", additional_headers=bearer("ann"))
    assert answer[:2] == (429, "TOO_MANY_CONNECTIONS")
    await converse(bench, "bob")
    await converse(bench, "ann", "s")
    await first.connection.close()
    await eventually(lambda: bench.service.conversations._open[UserId("ann"), "r"] == 1)
    await converse(bench, "ann")


async def test_so_many_handshakes_wait_for_history_and_one_more_is_sent_back(start_bench):
    bench = await start_bench(handshakes_at_once=1)
    bench.room.open("r", "ann")
    bench.room.blind = True
    waiting = asyncio.create_task(bench.socket("/chat/ws/r", additional_headers=bearer("ann")))
    await eventually(lambda: bench.service.conversations._knocking == 1)
    answer = await refusal(bench, "/chat/ws/r", additional_headers=bearer("ann"))
    assert answer[:2] == (503, "SERVICE_UNAVAILABLE")
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_a_place_that_others_took_while_history_was_asked_is_gone(start_bench):
    bench = await start_bench(connections_per_address=1)
    bench.room.open("r", "ann")
    bench.room.blind = True
    waiting = asyncio.create_task(refusal(bench, "/chat/ws/r", additional_headers=bearer("ann")))
    await eventually(lambda: len(bench.room.unanswered) == 2)
    await bench.client("bob")
    await bench.room.see_again()
    assert (await waiting)[:2] == (429, "TOO_MANY_CONNECTIONS")
    await eventually(lambda: bench.service.conversations._open.total() == 0)


async def test_handshakes_count_as_what_their_user_asks_for(start_bench):
    bench = await start_bench(user_rate=0.01, user_burst=1)
    bench.room.open("r", "ann")
    assert (await refusal(bench, "/chat/ws/nowhere", additional_headers=bearer("ann")))[0] == 404
    assert (await refusal(bench, "/chat/ws/r", additional_headers=bearer("ann")))[:2] == (429, "RATE_LIMITED")


async def test_a_handshake_that_is_none_is_refused_before_anybody_is_asked(bench):
    async with bench.http("ann") as http:
        answer = await http.get("/chat/ws/r", headers={"Upgrade": "websocket", "Connection": "Upgrade"})
    assert answer.status_code == 400
    assert bench.room.queries == []


async def test_what_a_client_sends_behind_its_handshake_is_not_lost(bench):
    bench.room.open("r", "ann")
    reader, writer = await asyncio.open_connection("127.0.0.1", bench.port)
    client = RawClient(reader, writer)
    bench.room.blind = True
    writer.write(knock("ann"))
    await eventually(lambda: len(bench.room.unanswered) == 2)
    client.send(type="message", content="early", message_id="m-1")
    await writer.drain()
    await bench.room.see_again()
    assert b" 101 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WAIT_SECONDS)
    told = [await client.receive() for _ in range(3)]
    assert [frame["type"] for frame in told] == ["connected", "participant_list", "message_ack"]
    assert told[2]["message_id"] == "m-1"
    writer.transport.abort()


async def test_a_client_that_goes_while_it_is_judged_leaves_nothing_behind(bench):
    bench.room.open("r", "ann")
    bench.room.blind = True
    _, writer = await asyncio.open_connection("127.0.0.1", bench.port)
    writer.write(knock("ann"))
    await eventually(lambda: len(bench.room.unanswered) == 2)
    writer.transport.abort()
    await bench.room.see_again()
    await eventually(lambda: bench.service.conversations._open.total() == 0)
    await eventually(lambda: not bench.gate.connections)


# Live.


async def test_the_sender_gets_an_ack_and_the_others_the_message(bench):
    bench.room.open("r", "ann", "bob")
    ann, _ = await converse(bench, "ann")
    bob, _ = await converse(bench, "bob")
    ack = await ann.ask(type="message", content="hi", message_id="m-1", sites=["all"], mode="list")
    assert (ack["type"], ack["message_id"], ack["sequence_id"]) == ("message_ack", "m-1", 1)
    message = await bob.receive()
    assert (message["type"], message["content"], message["sequence_id"]) == ("message", "hi", 1)
    assert message["participant"]["participantId"] == message["message"]["sender_id"] == "ann"
    assert message["message"]["message_id"] == message["id"] == ack["id"]
    for socket in (ann, bob):
        await nothing_more(socket)


async def test_both_sockets_speak_in_one_room(bench):
    bench.room.open("r", "ann", "bob")
    ann, _ = await converse(bench, "ann")
    bob = await bench.attached("bob", "r")
    await ann.ask(type="message", content="from here")
    assert (await bob.receive())["text"] == "from here"
    await bob.ask(type="send", room="r", text="from there")
    assert (await ann.receive())["content"] == "from there"


async def test_a_message_sent_again_under_its_id_is_acked_with_the_first_sequence_id(bench):
    bench.room.open("r", "ann")
    ann, _ = await converse(bench, "ann")
    first = await ann.ask(type="message", content="hi", message_id="m-1")
    again = await ann.ask(type="message", content="hi", message_id="m-1")
    assert again["sequence_id"] == first["sequence_id"] == 1


async def test_an_event_is_read_once_for_all_sockets(bench):
    room = bench.room.open("r", *(f"u{number}" for number in range(10)))
    sockets = [(await converse(bench, f"u{number}"))[0] for number in range(10)]
    before = bench.service.conversations.hearing.read
    await bench.room.post(room, "u0", "to all")
    assert {(await socket.receive())["content"] for socket in sockets} == {"to all"}
    assert bench.service.conversations.hearing.read == before + 1


async def test_a_sync_brings_what_is_behind_the_last_sequence_id(bench):
    bench.room.open("r", "ann", events=5)
    ann, _ = await converse(bench, "ann")
    await ann.take(5)
    sync = await ann.ask(type="sync", last_sequence_id=3)
    assert [one["sequence_id"] for one in sync["messages"]] == [4, 5]
    assert sync["current_sequence_id"] == 5
    assert [one["participantId"] for one in sync["participants"]] == ["ann"]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{", "INVALID_JSON"),
        ('{"type": "nothing"}', "NOT_SUPPORTED"),
        ('{"type": "message"}', "MALFORMED_REQUEST"),
        (b"\x00", "INVALID_JSON"),
        (json.dumps({"type": "message", "content": "x" * 70_000}), "MESSAGE_TOO_LARGE"),
    ],
)
async def test_a_bad_frame_is_an_error_and_the_socket_stays_open(bench, frame, code):
    bench.room.open("r", "ann")
    ann, _ = await converse(bench, "ann")
    await ann.send_raw(frame)
    error = await ann.receive()
    assert (error["type"], error["code"]) == ("error", code)
    await nothing_more(ann)


async def test_a_flood_is_limited_as_on_the_native_socket(start_bench):
    bench = await start_bench(command_rate=0.01, command_burst=3)
    bench.room.open("r", "ann")
    ann, _ = await converse(bench, "ann")
    for number in range(3):
        await ann.send(type="message", content="x", message_id=f"m-{number}")
    told = await ann.take(3)
    [error] = [one for one in told if one["type"] == "error"]
    assert (error["code"], error["message_id"], error["retry_after"] > 0) == ("RATE_LIMITED", "m-2", True)


async def test_a_refused_message_is_an_error_that_names_it(bench):
    bench.room.open("r", "ann")
    bench.room.refuse["send"] = Code.MUTED
    ann, _ = await converse(bench, "ann")
    error = await ann.ask(type="message", content="x", message_id="m-1")
    assert (error["code"], error["message_id"], error["definite"]) == ("FORBIDDEN", "m-1", True)


async def test_after_a_reset_the_client_gets_a_sync_and_goes_on(bench):
    room = bench.room.open("r", "ann", events=2)
    ann, _ = await converse(bench, "ann")
    await ann.take(2)
    [connection] = bench.gate.connections.values()
    bench.room.append(room, "ann", "missed")
    connection.write(text_frame(Reset(room=room, epoch="e1", seq=3).to_json()))
    sync = await ann.receive()
    assert (sync["type"], sync["reset"]) == ("sync", True)
    assert [one["sequence_id"] for one in sync["messages"]] == [1, 2, 3]
    await bench.room.post(room, "ann", "next")
    assert (await ann.receive())["sequence_id"] == 4


async def test_a_client_whose_fresh_page_cannot_be_had_is_sent_to_come_back(start_bench, monkeypatch):
    monkeypatch.setattr(door, "RELOAD_PAUSE_SECONDS", 0)
    bench = await start_bench(query_seconds=0.2)
    room = bench.room.open("r", "ann")
    ann, _ = await converse(bench, "ann")
    [connection] = bench.gate.connections.values()
    bench.room.blind = True
    connection.write(text_frame(Reset(room=room, epoch="e1", seq=3).to_json()))
    assert (await ann.receive())["code"] == "BROKER_LOST"
    assert (await ann.closed())[0] == 4004
    assert len(bench.room.unanswered) == door.RELOAD_TRIES


async def test_pushes_that_are_lost_are_made_up_for(bench):
    room = bench.room.open("r", "ann")
    ann, _ = await converse(bench, "ann")
    bench.room.append(room, "ann", "lost on its way")
    await bench.room.post(room, "ann", "and the next")
    assert [one["content"] for one in await ann.take(2)] == ["lost on its way", "and the next"]


async def test_i9_who_reads_nothing_from_the_start_is_counted_from_the_start(start_bench):
    bench = await start_bench(write_buffer_bytes=64 * 1024)
    room = bench.room.open("r", "ann", "cid")
    for _ in range(50):
        bench.room.append(room, "cid", "x" * 15_000)
    with plain_socket(fileno=dup(bench.service.server.servers[0].sockets[0].fileno())) as listening:
        listening.setsockopt(SOL_SOCKET, SO_SNDBUF, 8192)  # accepted sockets have the same: the kernel takes little
    client = RawClient(*await asyncio.open_connection("127.0.0.1", bench.port))
    client.stop_reading()
    client.writer.write(knock("ann"))
    [connection] = await eventually(lambda: list(bench.gate.connections.values()), WAIT_SECONDS)
    await eventually(lambda: connection._socket._socket._transport.get_write_buffer_size() > 64 * 1024, WAIT_SECONDS)
    assert connection.backlog.paused
    client.writer.transport.abort()


async def test_a_client_that_reads_again_gets_everything_once_in_order(start_bench):
    bench = await start_bench(write_buffer_bytes=64 * 1024, backlog_frames=10)
    room = bench.room.open("r", "ann", "bob")
    bob, _ = await converse(bench, "bob")
    client = RawClient(*await asyncio.open_connection("127.0.0.1", bench.port, limit=2**26))
    client.writer.write(knock("ann"))
    await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), WAIT_SECONDS)
    assert [(await client.receive())["type"] for _ in range(2)] == ["connected", "participant_list"]
    [connection] = [one for one in bench.gate.connections.values() if one.identity.user == "ann"]
    client.stop_reading()
    count = 0
    while not connection._lagging:
        await bench.room.post(room, "cid", "x" * 15_000)
        count += 1
        assert (await bob.receive())["sequence_id"] == count < 1_000
    client.read_on()
    assert [(await client.receive())["sequence_id"] for _ in range(count)] == list(range(1, count + 1))
    client.writer.transport.abort()


# The end.


@pytest.mark.parametrize(("verb", "closed"), [("kick", (1000, "Left conversation")), ("ban", (4502, "banned"))])
async def test_who_is_put_out_is_closed(bench, verb, closed):
    bench.room.open("r", "ann", "bob")
    ann, _ = await converse(bench, "ann")
    bob = await bench.attached("bob", "r")
    await bob.send(type=verb, room="r", user="ann")
    assert (await ann.receive())["type"] == "participant_left"
    assert await ann.closed() == closed


async def test_leaving_by_rest_closes_the_users_sockets(bench):
    bench.room.open("r", "ann", "bob")
    ann, _ = await converse(bench, "ann")
    bob, _ = await converse(bench, "bob")
    async with bench.http("ann") as http:
        assert (await http.delete("/chat/r/leave")).status_code == 200
    assert (await ann.receive())["type"] == "participant_left"
    assert await ann.closed() == (1000, "Left conversation")
    left = await bob.receive()
    assert (left["participant"]["id"], left["participant_count"]) == ("ann", 1)
    await nothing_more(bob)
    await eventually(lambda: bench.service.conversations._open.total() == 1)


async def test_a_token_that_expires_ends_the_socket(bench):
    bench.room.open("r", "ann")
    short = {"Authorization": f"Bearer {token('ann', seconds=-3)}"}
    socket = await bench.socket("/chat/ws/r", additional_headers=short)
    await socket.take(2)
    assert (await socket.receive())["code"] == "AUTH_FAILED"
    assert (await socket.closed())[0] == 4500


async def test_a_drain_says_when_to_come_back(bench):
    bench.room.open("r", "ann")
    ann, _ = await converse(bench, "ann")
    drained = asyncio.create_task(drain(bench.gate, bench.gate.clock() + 5))
    error = await ann.receive()
    assert (error["code"], error["retry_after"] > 0) == ("DRAINING", True)
    assert (await ann.closed())[0] == 4000
    await drained
