"""Two people in one room through the real services, one on the conversation socket, the other on the native one."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.bed.conversation import ConversationClient
from tests.bed.native import NativeClient
from tests.bed.waiting import eventually

pytestmark = [pytest.mark.broker, pytest.mark.store, pytest.mark.stack]

LINES = 20
WAIT = 30
FAST = {"GATEHOUSE_COMMAND_RATE": "1000", "GATEHOUSE_COMMAND_BURST": "1000"}


async def make(stack, *members, **fields):
    """A conversation of ann's, made through the first gate a moment ago."""
    people = [{"participantId": user, "displayName": user} for user in members]
    body = {"title": "Talk", "participant": {"participantId": "ann"}, "additional_participants": people, **fields}
    headers = {"Authorization": f"Bearer {stack.token('ann')}"}
    async with httpx.AsyncClient(base_url=stack.gates[0].url, trust_env=False, timeout=WAIT, headers=headers) as http:
        answer = await http.post("/chat/create", json=body)
    assert answer.status_code == 201
    return answer.json()["id"]


async def converse(stack, gate, room, user):
    return await ConversationClient.open(stack.gates[gate].url, room, stack.token(user))


def there(client):
    """Who is there, as the client was told last."""
    told = client.of("participant_list", "participant_update")[-1]
    return sorted(one["participantId"] for one in told["participants"] if one["isOnline"])


async def refusal(stack, room, user):
    with pytest.raises(InvalidStatus) as refused:
        await converse(stack, 0, room, user)
    return refused.value.response.status_code


async def test_i3_both_sides_see_one_order_and_who_comes_back_misses_nothing(start_stack):
    stack = await start_stack(gates=2, environment=FAST)
    room = await make(stack, "bob")
    ann = await converse(stack, 1, room, "ann")
    bob = await NativeClient.open(stack.gates[0].url, stack.token("bob"))
    start = (await bob.ask("attach", room=room, echo=True))["seq"]
    for number in range(LINES):
        assert (await ann.send(f"ann {number}", f"a-{number}"))["type"] == "message_ack"
        assert (await bob.ask("send", room=room, text=f"bob {number}"))["type"] == "accepted"
    await eventually(lambda: len(ann.sequence_ids()) == len(bob.seqs(room)) == 2 * LINES, WAIT)
    assert ann.sequence_ids() == bob.seqs(room) == list(range(start + 1, start + 1 + 2 * LINES))
    assert [one["content"] for one in ann.of("message")] == [f"bob {number}" for number in range(LINES)]
    again = await ann.send("ann 0", "a-0")
    assert again["sequence_id"] == start + 1

    await ann.close()
    for number in range(LINES):
        assert (await bob.ask("send", room=room, text=f"later {number}"))["type"] == "accepted"
    back = await converse(stack, 0, room, "ann")
    top = start + 3 * LINES
    await eventually(lambda: back.sequence_ids()[-1:] == [top], WAIT)
    shown = back.sequence_ids()
    assert len(shown) >= 50
    assert shown == list(range(top - len(shown) + 1, top + 1))
    await back.say("sync", last_sequence_id=start + 2 * LINES)
    [sync] = await eventually(lambda: back.of("sync"), WAIT)
    assert [one["content"] for one in sync["messages"]] == [f"later {number}" for number in range(LINES)]
    assert sync["current_sequence_id"] == top
    for client in (back, bob):
        await client.close()


async def test_what_others_do_is_told_and_who_is_put_out_is_closed(start_stack):
    stack = await start_stack(gates=2)
    room = await make(stack, "bob", "cid")
    ann = await NativeClient.open(stack.gates[0].url, stack.token("ann"))
    await ann.ask("attach", room=room)
    bob, cid = [await converse(stack, 1, room, user) for user in ("bob", "cid")]
    await eventually(lambda: there(bob) == ["ann", "bob", "cid"], WAIT)
    ack = await bob.send("hello", "b-1")
    await bob.say("typing", isTyping=True)
    await ann.ask("react", room=room, seq=ack["sequence_id"], emoji="+1")
    await ann.ask("delete", room=room, seq=ack["sequence_id"])
    [reaction] = await eventually(lambda: cid.of("reaction"), WAIT)
    [deleted] = await eventually(lambda: cid.of("message_deleted"), WAIT)
    assert reaction["target_sequence_id"] == deleted["target_sequence_id"] == ack["sequence_id"]
    [typing] = await eventually(lambda: cid.of("typing"), WAIT)
    assert typing["participant"]["participantId"] == "bob"
    assert bob.of("typing") == []

    await ann.ask("ban", room=room, user="cid")
    assert await cid.closed() == (4502, "banned")
    await bob_leaves(stack, room)
    assert await bob.closed() == (1000, "Left conversation")
    assert [await refusal(stack, room, user) for user in ("bob", "cid")] == [403, 403]
    await ann.close()


async def bob_leaves(stack, room):
    headers = {"Authorization": f"Bearer {stack.token('bob')}"}
    async with httpx.AsyncClient(base_url=stack.gates[0].url, trust_env=False, timeout=WAIT, headers=headers) as http:
        assert (await http.delete(f"/chat/{room}/leave")).status_code == 200


async def test_a_conversation_lets_its_participants_in_at_once_and_nobody_else(start_stack):
    stack = await start_stack(gates=2)
    room = await make(stack, "bob", visibility="private")
    clients = await asyncio.gather(*(converse(stack, gate, room, user) for gate in (0, 1) for user in ("ann", "bob")))
    assert {client.told[0]["mode"] for client in clients} == {"multi"}
    assert await refusal(stack, room, "eve") == 403
    assert await refusal(stack, "nowhere", "eve") == 404
    for client in clients:
        await client.close()
