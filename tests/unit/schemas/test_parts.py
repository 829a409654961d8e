"""A snapshot in parts: what is cut is joined to the same again, and nothing else is joined to anything."""

from datetime import UTC, datetime

import pytest

from schemas import limits
from schemas.answers import Accepted
from schemas.ids import USER_ID_CHARACTERS
from schemas.parts import Joining, PartMisfit, cut
from schemas.roles import Role, Visibility
from schemas.state import AppliedCommand, BanState, FormerState, InviteState, MemberState, RoomState, Snapshot

AT = datetime(2026, 11, 20, 12, 30, 15, 123456, tzinfo=UTC)
LONG = "\N{GRINNING FACE}"
"""Four bytes a character."""


def user(number):
    return f"{number:06d}" + LONG * (USER_ID_CHARACTERS - 6)


def answer_to(number):
    return Accepted(
        command_id=f"{number:04d}".ljust(64, "\u20ac"),
        room="r" * 64,
        epoch="e" * 32,
        seq=2**53 - 1,
        message_id="msg_" + "9" * 24,
        at=AT,
    )


def snapshot(members=0, bans=0, invites=0, recent=0, *, formers=0, fence=7, seq=2**53 - 1):
    """A room of which every entry is as long as it may be."""
    state = RoomState(
        room="r" * 64,
        epoch="e" * 32,
        seq=seq,
        title=LONG * limits.TITLE_CHARACTERS,
        visibility=Visibility.PRIVATE,
        capacity=limits.ROOM_MEMBERS,
        topic=LONG * limits.TOPIC_CHARACTERS,
        metadata={"k": "v" * (limits.METADATA_BYTES - 8)},
        created_at=AT,
        updated_at=AT,
        members=tuple(
            MemberState(
                user=user(number),
                role=Role.MODERATOR,
                joined_at=AT,
                joined_seq=2**53 - 1,
                muted=True,
                muted_until=AT,
                read=2**53 - 1,
                delivered=2**53 - 1,
            )
            for number in range(members)
        ),
        bans=tuple(
            BanState(user=user(number), text=LONG * limits.REASON_CHARACTERS, until=AT) for number in range(bans)
        ),
        formers=tuple(
            FormerState(user=user(number), reader=True, muted=True, muted_until=AT) for number in range(formers)
        ),
        invites=tuple(
            InviteState(
                invite=f"{number:03d}".ljust(64, "i"),
                role=Role.MODERATOR,
                expires_at=AT,
                max_uses=limits.ROOM_MEMBERS,
                uses=limits.ROOM_MEMBERS,
            )
            for number in range(invites)
        ),
    )
    applied = tuple(
        AppliedCommand(actor=user(number), command_id=answer_to(number).command_id, answer=answer_to(number))
        for number in range(recent)
    )
    return Snapshot(room="r" * 64, fence=fence, state=state, recent=applied)


def joined(answers):
    joining = Joining()
    *first, last = map(joining.receive, answers)
    assert first == [None] * len(first)
    return last


@pytest.mark.parametrize("most_bytes", [1, 2_000, 100_000])
def test_i7_what_is_cut_is_joined_to_the_same_again(most_bytes):
    whole = snapshot(members=7, bans=5, invites=3, recent=4, formers=6)
    parts = cut(whole, most_bytes)
    assert joined(parts) == whole
    assert [part.part for part in parts] == list(range(len(parts)))
    assert [part.more for part in parts] == [True] * (len(parts) - 1) + [False]


@pytest.mark.parametrize(
    "small", [Snapshot(room="nowhere", fence=1), snapshot(), snapshot(members=2, bans=1, invites=1, recent=1)]
)
def test_a_small_snapshot_is_one_part(small):
    [part] = cut(small)
    assert (part.snapshot, part.part, part.more) == (small, 0, False)
    assert joined([part]) == small


def test_a_room_at_all_its_limits_comes_in_parts_that_a_broker_takes():
    whole = snapshot(limits.ROOM_MEMBERS, limits.BANS, limits.INVITES, limits.RECENT_COMMANDS, formers=limits.FORMERS)
    parts = cut(whole)
    sizes = [len(part.to_json()) for part in parts]
    assert 30 < len(parts) <= limits.SNAPSHOT_PARTS
    assert max(sizes) <= limits.SNAPSHOT_PART_BYTES + limits.FRAME_BYTES
    assert joined(parts) == whole


def test_a_missing_part_is_noticed():
    first, _, third, *_ = cut(snapshot(members=5), 1)
    joining = Joining()
    joining.receive(first)
    with pytest.raises(PartMisfit, match="part 2 came where 1 was to come"):
        joining.receive(third)


def test_a_part_that_comes_first_but_is_not_is_noticed():
    with pytest.raises(PartMisfit):
        Joining().receive(cut(snapshot(members=2), 1)[1])


@pytest.mark.parametrize("other", [{"fence": 8}, {"seq": 12}])
def test_i8_parts_of_different_answers_never_mix(other):
    joining = Joining()
    joining.receive(cut(snapshot(members=3), 1)[0])
    with pytest.raises(PartMisfit, match="another answer"):
        joining.receive(cut(snapshot(members=3, **other), 1)[1])


def test_an_answer_that_is_given_again_begins_anew():
    before, again = cut(snapshot(members=3), 1), cut(snapshot(members=3, seq=12), 1)
    joining = Joining()
    joining.receive(before[0])
    joining.receive(before[1])
    assert [joining.receive(part) for part in again] == [None, None, snapshot(members=3, seq=12)]


def test_there_is_an_end_to_parts():
    joining = Joining()
    *taken, one_more = cut(snapshot(members=limits.SNAPSHOT_PARTS + 1), 1)
    for part in taken:
        joining.receive(part)
    with pytest.raises(PartMisfit, match="more than"):
        joining.receive(one_more)
