from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from schemas.answers import AttachAnswer, MemberView
from schemas.commands import SaidStatus
from schemas.frames import Attached
from schemas.ids import CommandId, Epoch, UserId
from schemas.roles import Role, Status, Visibility
from services.gateway.portrait import Portrait
from tests.unit.gateway.rooms import ROOM, payloads

TEXTS = st.text(st.characters(exclude_categories=["C"]), max_size=20)
MEMBERS = (
    MemberView(user=UserId("ann"), role=Role.OWNER, online=True, status=SaidStatus(state=Status.AWAY, text='"tea",')),
    MemberView(user=UserId("bob"), role=Role.READER),
)


@given(
    title=st.just('Tea, "or" not'),
    topic=TEXTS,
    metadata=st.dictionaries(TEXTS, st.integers(0, 9) | TEXTS, max_size=3),
    frame_id=st.none() | st.integers(0, 2**53 - 1) | TEXTS,
    user=st.sampled_from(["ann", "bob", "eve"]),
    seq=st.integers(0, 2**53 - 1),
)
def test_what_a_client_is_told_is_the_attached_that_the_contract_has(title, topic, metadata, frame_id, user, seq):
    answer = AttachAnswer(
        command_id=CommandId("c"),
        room=ROOM,
        epoch=Epoch("e1"),
        seq=7,
        title=title,
        topic=topic,
        visibility=Visibility.PUBLIC,
        metadata=metadata,
        member_count=2,
        members=MEMBERS,
    )
    [told] = payloads(Portrait(answer).frame(frame_id, UserId(user), Epoch("e2"), seq))
    whole = Attached(
        id=frame_id,
        room=ROOM,
        epoch=Epoch("e2"),
        seq=seq,
        title=title,
        topic=topic,
        visibility=Visibility.PUBLIC,
        metadata=metadata,
        role={"ann": Role.OWNER, "bob": Role.READER}.get(user),
        member_count=2,
        members=MEMBERS,
    )
    assert from_json(told) == from_json(whole.to_json())
    assert told.startswith(b'{"type":"attached"')
