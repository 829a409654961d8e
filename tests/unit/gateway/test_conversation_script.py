"""What one client of a conversation is told, frame by frame."""

from __future__ import annotations

import pytest

from schemas.errors import Code
from schemas.frames import Bye, Detached, Lagged, Pong
from schemas.ids import RoomId, UserId
from schemas.roles import Status
from schemas.signals import PresenceChange, PresenceSignal, ReceiptSignal, ServiceSignal, TypingSignal
from services.gateway.doors.conversation.script import (
    EARLY_BYTES,
    EARLY_FRAMES,
    MOVES,
    RELOADS,
    Close,
    GiveUp,
    Refuse,
    Reload,
    Stage,
    Turn,
)
from tests.unit.gateway.conversations import (
    EPOCH,
    ME,
    ROOM,
    Client,
    accepted,
    attached,
    event,
    newest,
    page,
    posted,
    refused,
    reset,
)


def kinds(frames):
    return [frame["type"] for frame in frames]


def seqs(frames):
    return [frame["sequence_id"] for frame in frames if frame["type"] == "message"]


# Opening.


def test_a_conversation_opens_behind_its_page_with_the_list_of_participants_and_the_messages_in_order():
    client = Client(posted(3), posted(5), head=6)
    assert client.wished == [
        {"type": "attach", "id": "attach", "room": ROOM, "position": {"epoch": EPOCH, "seq": 6}},
    ]
    assert client.told == []
    told = client.hear(attached(6), posted(7))
    assert kinds(told) == ["connected", "participant_list", "message", "message", "message"]
    assert seqs(told) == [3, 5, 7]
    assert told[0] == {
        "type": "connected",
        "conversation_id": "general",
        "participant_id": "ann",
        "mode": "multi",
        "input_timeout": 2000,
    }


def test_who_is_alone_converses_in_single_mode():
    client = Client()
    [connected, *_] = client.hear(attached(0, ME))
    assert (connected["mode"], connected["input_timeout"]) == ("single", 100)


def test_what_the_client_sends_before_it_is_connected_waits_for_it():
    client = Client(head=4)
    client.say(type="ping")
    client.say(type="message", content="early")
    assert [wish["type"] for wish in client.wished] == ["attach"]
    client.hear(attached(4))
    assert [wish["type"] for wish in client.wished] == ["attach", "ping", "send"]


@pytest.mark.parametrize("frames", [["x"] * (EARLY_FRAMES + 1), ["x" * (EARLY_BYTES // 2)] * 2])
def test_more_than_may_wait_is_refused(frames):
    client = Client()
    for content in frames:
        client.say(type="message", content=content)
    [effect] = client.others
    assert isinstance(effect, Refuse)
    assert effect.refused.code is Code.OVERLOADED


def test_a_reset_at_the_opening_asks_for_a_fresh_page_and_opens_once():
    client = Client(posted(1))
    assert client.hear(reset(9), attached(9), posted(10)) == []
    assert client.others == [Reload()]
    client.reloaded(newest(posted(8), posted(9)))
    assert client.wished[-1]["position"] == {"epoch": EPOCH, "seq": 9}
    told = client.hear(attached(9), posted(10), posted(11))
    assert kinds(told)[:2] == ["connected", "participant_list"]
    assert seqs(told) == [8, 9, 10, 11]


@pytest.mark.parametrize(
    ("code", "last"),
    [
        (Code.NOT_A_MEMBER, Close(1000, "Left conversation")),
        (Code.BANNED, Close(4502, "banned")),
        (Code.NO_ANSWER, GiveUp(Code.BROKER_LOST)),
    ],
)
def test_the_answer_to_attach_is_the_final_word(code, last):
    client = Client()
    [error] = client.hear(refused(code, "attach"))
    assert error["type"] == "error"
    assert client.others == [last]
    assert client.script.stage is Stage.ENDED


# Live.


def test_a_repeated_event_is_told_once():
    client = Client.live(head=4)
    assert seqs(client.hear(posted(5), posted(5), posted(6), posted(5))) == [5, 6]


def test_a_missing_seq_is_noticed_and_filled_by_a_fresh_page():
    client = Client.live(head=4)
    assert client.hear(posted(6)) == []
    assert client.reloading
    assert client.hear(posted(7)) == []
    client.reloaded(newest(posted(5), posted(6)))
    [sync, message] = client.hear(attached(6), posted(7))
    assert (sync["type"], sync["reset"], sync["current_sequence_id"]) == ("sync", True, 6)
    assert [one["sequence_id"] for one in sync["messages"]] == [5, 6]
    assert message["sequence_id"] == 7


def test_after_a_reset_the_client_gets_a_sync_with_the_newest_page():
    client = Client.live(head=4)
    assert client.hear(reset(90, epoch="e2"), posted(91, epoch="e2")) == []
    client.reloaded(newest(posted(91, epoch="e2"), epoch="e2"))
    [sync] = client.hear(attached(91, epoch="e2"))
    assert [one["sequence_id"] for one in sync["messages"]] == [91]
    assert seqs(client.hear(posted(92, epoch="e2"))) == [92]


def test_what_the_room_is_after_a_reset_is_not_taken_for_the_answer_to_attach():
    client = Client.live(head=4)
    client.hear(reset(9))
    client.reloaded(newest(head=9))
    assert client.hear(attached(9).model_copy(update={"id": None})) == []
    assert kinds(client.hear(attached(9))) == ["sync"]


def test_pages_that_are_always_outdated_end_the_socket():
    client = Client.live(head=4)
    for _ in range(RELOADS + 1):
        client.hear(reset(9))
        client.reloaded(newest(head=8))
    assert client.others[-1] == GiveUp(Code.BROKER_LOST)
    assert client.others.count(Reload()) == RELOADS


def test_a_page_that_cannot_be_had_ends_the_socket():
    client = Client.live(head=4)
    client.hear(reset(9))
    client.take(client.script.give_up())
    assert client.others == [Reload(), GiveUp(Code.BROKER_LOST)]


def test_a_page_that_nobody_waits_for_changes_nothing():
    client = Client.live(head=4)
    assert client.reloaded(newest(head=9)) == []
    assert client.wished == []


def test_the_sender_hears_an_ack_with_its_own_id_and_not_its_message():
    client = Client.live(head=4)
    client.say(type="message", content="hi", message_id="mine")
    [ack] = client.hear(accepted(5, command_id="mine"))
    assert (ack["type"], ack["message_id"], ack["sequence_id"], ack["id"]) == ("message_ack", "mine", 5, "msg_5")
    assert seqs(client.hear(posted(6))) == [6]


def test_an_ack_that_overtakes_others_swallows_only_its_own_event():
    client = Client.live(head=4)
    client.say(type="message", content="hi", message_id="mine")
    assert kinds(client.hear(accepted(6, command_id="mine"))) == ["message_ack"]
    assert seqs(client.hear(posted(5), posted(6, ME), posted(7))) == [5, 7]


def test_a_repeated_message_id_is_acked_with_the_first_sequence_id():
    client = Client.live(head=4)
    client.hear(accepted(5))
    [again] = client.hear(accepted(5))
    assert again["sequence_id"] == 5
    assert seqs(client.hear(posted(6))) == [6]


def test_typing_of_others_is_told_and_ones_own_is_not():
    client = Client.live(head=4)
    said = [TypingSignal(room=ROOM, user=UserId(user), active=True, expires_seconds=6) for user in ("bob", ME)]
    assert client.hear(*said) == [
        {
            "type": "typing",
            "participant": {
                "participantId": "bob",
                "displayName": "bob",
                "id": "bob",
                "name": "bob",
                "type": "human",
            },
            "isTyping": True,
            "conversation_id": "general",
        }
    ]


def test_that_typing_was_accepted_is_not_told():
    client = Client.live(head=4)
    client.say(type="typing", isTyping=False)
    assert client.wished == [{"type": "typing", "id": "typing", "room": ROOM, "active": False}]
    assert client.hear(accepted(4, id="typing", message_id=None)) == []


def test_pings_are_answered():
    client = Client.live(head=4)
    client.say(type="ping")
    assert client.wished == [{"type": "ping", "id": "ping"}]
    assert client.hear(Pong(id="ping")) == [{"type": "pong"}]


def test_receipts_and_events_without_words_here_are_passed_over_but_counted():
    client = Client.live(head=4)
    told = client.hear(
        ReceiptSignal(room=ROOM, user=UserId("bob"), read=4, delivered=4),
        event("member_changed", 5, user="bob", muted=True),
        posted(6),
    )
    assert kinds(told) == ["message"]


def test_that_the_broker_is_away_is_an_error_and_that_it_is_back_is_not():
    client = Client.live(head=4)
    [error] = client.hear(ServiceSignal(available=False, code=Code.OVERLOADED), ServiceSignal(available=True))
    assert (error["code"], error["error"]) == ("QUEUE_FULL", "queue_full")
    assert error["retry_after"] > 0


# Participants.


def presence(*changes, anew=False):
    said = tuple(PresenceChange(user=UserId(user), state=state) for user, state in changes)
    return PresenceSignal(room=ROOM, online_count=1, changes=said, anew=anew)


def test_who_comes_and_goes_is_told_with_everybody_there():
    client = Client.live(head=4)
    [came] = client.hear(presence(("bob", Status.ONLINE)))
    assert (came["type"], came["action"], came["participant"]["id"]) == ("participant_update", "join", "bob")
    assert [(one["participantId"], one["isOnline"]) for one in came["participants"]] == [("ann", False), ("bob", True)]
    assert client.hear(presence(("bob", Status.AWAY))) == []
    [went] = client.hear(presence(("bob", Status.OFFLINE)))
    assert (went["action"], went["participant"]["isOnline"]) == ("leave", False)


def test_that_one_is_there_oneself_is_no_news():
    client = Client.live(head=4)
    assert client.hear(presence((ME, Status.ONLINE))) == []


def test_presence_told_anew_is_a_list():
    client = Client.live(head=4, online=("bob",))
    [listed] = client.hear(presence((ME, Status.ONLINE), anew=True))
    assert listed["type"] == "participant_list"
    assert [one["isOnline"] for one in listed["participants"]] == [True, False]


def test_members_that_join_and_leave_are_told_with_the_count():
    client = Client.live(head=4)
    told = client.hear(
        event("member_joined", 5, user="cid", role="member"),
        event("member_left", 6, user="cid", reason="left"),
        event("member_banned", 7, user="bob"),
        event("member_banned", 8, user="never-here"),
    )
    assert [(one["type"], one["participant_count"]) for one in told] == [
        ("participant_joined", 3),
        ("participant_left", 2),
        ("participant_left", 1),
    ]
    assert [one.get("reason") for one in told] == [None, "left", "banned"]


def test_in_a_large_conversation_only_who_changed_is_named():
    client = Client.live(head=4, count=5_000)
    [came] = client.hear(presence(("zoe", Status.ONLINE)))
    assert [one["id"] for one in came["participants"]] == ["zoe"]
    assert came["participant_count"] == 5_000


# Sync.


def test_a_sync_is_paged_until_it_is_current():
    client = Client.live(head=900)
    client.say(type="sync", last_sequence_id=10)
    assert client.wished == [{"type": "history", "id": "sync", "room": ROOM, "after": 10, "limit": 200}]
    first = [posted(11), event("member_left", 12, user="cid", reason="left")]
    assert client.hear(page(*first, head=900)) == []
    assert client.wished[-1]["after"] == 12
    [sync] = client.hear(page(posted(900), head=900))
    assert [one["sequence_id"] for one in sync["messages"]] == [11, 900]
    assert (sync["current_sequence_id"], sync["has_more"]) == (900, False)
    assert [one["participantId"] for one in sync["participants"]] == ["ann", "bob"]


def test_a_sync_of_too_much_is_told_in_part():
    client = Client.live(head=900)
    client.say(type="sync", last_sequence_id=0)
    told = [frame for seq in range(1, 10) for frame in client.hear(page(posted(seq), head=900))]
    [sync] = told
    assert (len(sync["messages"]), sync["current_sequence_id"], sync["has_more"]) == (5, 5, True)


def test_a_sync_that_is_refused_half_way_is_told_in_part():
    client = Client.live(head=900)
    client.say(type="sync")
    client.hear(page(posted(1), head=900))
    [sync] = client.hear(refused(Code.RATE_LIMITED, "sync"))
    assert (sync["current_sequence_id"], sync["has_more"]) == (1, True)


def test_a_sync_that_is_refused_is_an_error_and_may_be_tried_again():
    client = Client.live(head=900)
    client.say(type="sync")
    [error] = client.hear(refused(Code.OVERLOADED, "sync"))
    assert error["code"] == "QUEUE_FULL"
    client.say(type="sync")
    assert [wish["type"] for wish in client.wished] == ["history", "history"]


def test_one_sync_at_a_time():
    client = Client.live(head=900)
    client.say(type="sync")
    client.say(type="sync")
    [effect] = client.others
    assert effect.refused.code is Code.DUPLICATE_IN_FLIGHT


def test_what_a_sync_told_ahead_of_the_live_events_is_not_told_again():
    client = Client.live(head=4)
    client.say(type="sync", last_sequence_id=4)
    client.hear(page(posted(5), posted(6), head=6))
    assert seqs(client.hear(posted(5), posted(6), posted(7))) == [7]


# The end.


def test_whoever_leaves_is_closed_with_1000():
    client = Client.live(head=4)
    client.hear(event("member_left", 5, user=ME, reason="kicked"), Detached(room=ROOM, code="not_a_member"))
    assert client.others == [Close(1000, "Left conversation")]
    assert client.hear(posted(6)) == []


def test_whoever_is_banned_is_closed_with_4502():
    client = Client.live(head=4)
    client.hear(event("member_banned", 5, user=ME), Detached(room=ROOM, code="not_a_member"))
    assert client.others == [Close(4502, "banned")]


def test_a_ban_of_old_does_not_count_for_who_came_back():
    client = Client.live(head=4)
    client.hear(event("member_banned", 5, user=ME), event("member_joined", 6, user=ME, role="member"))
    client.hear(Detached(room=RoomId(ROOM), code="not_a_member"))
    assert client.others == [Close(1000, "Left conversation")]


def test_the_last_word_of_a_gate_is_an_error_with_a_moment_to_come_back_at():
    client = Client.live(head=4)
    [error] = client.hear(Bye(code=4000, reason="draining", retry_after_seconds=2.5))
    assert (error["code"], error["retry_after"], error["gatehouse_code"]) == ("DRAINING", 2.5, "draining")


def test_nothing_leads_back_from_the_end():
    assert {MOVES[Stage.ENDED, turn] for turn in Turn} == {Stage.ENDED}


def test_a_bad_frame_is_refused_and_nothing_is_wished_for():
    client = Client.live(head=4)
    client.say(type="message")
    [effect] = client.others
    assert (effect.refused.code, client.wished) == (Code.BAD_FIELD, [])


def test_signals_before_the_opening_are_passed_over():
    client = Client(head=4)
    assert client.hear(ServiceSignal(available=False)) == []


def test_an_answer_to_attach_that_does_not_meet_the_page_asks_for_another():
    client = Client(head=4)
    assert client.hear(attached(6)) == []
    assert client.reloading


def test_pages_and_refusals_nobody_asked_for_change_nothing():
    client = Client.live(head=4)
    assert client.hear(page(posted(3), head=4)) == []
    client.say(type="sync", last_sequence_id=1)
    client.hear(page(posted(2, epoch="e0"), head=9, epoch="e0"))
    [sync] = client.hear(page(posted(3), posted(4), head=4))
    assert [one["sequence_id"] for one in sync["messages"]] == [3, 4]


def test_a_sync_of_another_numbering_says_nothing_of_the_live_one():
    client = Client.live(head=4)
    client.say(type="sync")
    [sync] = client.hear(page(posted(9, epoch="e2"), head=9, epoch="e2"))
    assert sync["current_sequence_id"] == 9
    assert seqs(client.hear(posted(5))) == [5]


def test_the_end_comes_once():
    client = Client.live(head=4)
    gone = Detached(room=ROOM, code="banned")
    client.hear(gone, gone, reset(9))
    assert client.others == [Close(4502, "banned")]


def test_what_is_new_in_the_protocol_is_passed_over():
    client = Client.live(head=4)
    assert client.hear(Lagged(room=ROOM, from_seq=4, to_seq=5), posted(5))[0]["sequence_id"] == 5


def test_a_sync_of_who_has_everything_brings_nothing():
    client = Client.live(head=4)
    client.say(type="sync", last_sequence_id=4)
    [sync] = client.hear(page(head=4))
    assert (sync["messages"], sync["current_sequence_id"], sync["has_more"]) == ([], 4, False)
