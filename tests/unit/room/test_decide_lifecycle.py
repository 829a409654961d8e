"""Create, update, close: given a room, when a command comes, then an event, an accept, or a refusal."""

import pytest

from schemas.errors import Code
from schemas.events import RoomClosed, RoomCreated, RoomUpdated
from schemas.ids import direct_room_id
from schemas.roles import Role, Visibility
from services.room.decisions import Refusal, Unchanged
from services.room.model import Room, evolve
from tests.unit.room.given import DIRECT, NOW, command, decided, direct_room, refused, room


class TestCreate:
    def test_it_makes_a_room_with_its_owner_and_first_members(self):
        fields = {"topic": "all", "metadata": {"a": 1}, "retention_days": 30, "visibility": "private"}
        wish = command("create", "olga", title="General", members=["mia", "olga", "mia", "bob"], **fields)
        decision = decided(None, wish)
        assert isinstance(decision, RoomCreated)
        assert [(first.user, first.role) for first in decision.members] == [
            ("olga", Role.OWNER),
            ("bob", Role.MEMBER),
            ("mia", Role.MEMBER),
        ]
        assert (decision.seq, decision.at, decision.actor, decision.command_id) == (1, NOW, "olga", "k1")
        same = {"title", "topic", "metadata", "retention_days", "visibility", "capacity"}
        assert decision.model_dump(include=same) == wish.model_dump(include=same)

    def test_a_room_that_exists_is_not_made_again(self):
        assert refused(room(), command("create", title="Again")) is Code.ROOM_EXISTS

    @pytest.mark.parametrize(("capacity", "fits"), [(3, True), (2, False)])
    def test_the_owner_counts_against_the_capacity(self, capacity, fits):
        decision = decided(None, command("create", "olga", title="T", members=["a", "b"], capacity=capacity))
        assert isinstance(decision, RoomCreated) if fits else decision == Refusal(Code.ROOM_FULL)


def direct(actor="olga", members=("otto",), name=DIRECT, **fields):
    return command("create", actor, room=name, title="Two", visibility="direct", members=members, **fields)


class TestCreateDirect:
    @pytest.mark.parametrize(("actor", "other"), [("olga", "otto"), ("otto", "olga")])
    def test_both_own_it_whoever_asks_first(self, actor, other):
        decision = decided(None, direct(actor, [other, actor, other]))
        assert isinstance(decision, RoomCreated)
        assert {first.user: first.role for first in decision.members} == {"olga": Role.OWNER, "otto": Role.OWNER}
        assert (decision.visibility, decision.capacity) == (Visibility.DIRECT, 2)

    def test_it_has_room_for_two_whatever_is_asked_for(self):
        assert Room.new(decided(None, direct(capacity=1))).capacity == 2

    def test_who_comes_second_hears_that_it_exists(self):
        assert refused(direct_room(), direct("otto", ["olga"])) is Code.ROOM_EXISTS

    @pytest.mark.parametrize("members", [[], ["olga"], ["otto", "bob"]], ids=["nobody", "oneself", "two"])
    def test_it_has_exactly_one_other_member(self, members):
        assert refused(None, direct(members=members)) is Code.BAD_FIELD

    @pytest.mark.parametrize("name", ["general", "direct:" + "0" * 40, direct_room_id("olga", "bob")])
    def test_its_id_follows_from_its_members(self, name):
        assert refused(None, direct(name=name)) is Code.BAD_FIELD

    @pytest.mark.parametrize("visibility", ["public", "private"])
    @pytest.mark.parametrize("held", [None, direct_room()], ids=["free", "taken"])
    def test_nobody_takes_its_id_for_another_room_or_learns_that_it_is_taken(self, held, visibility):
        wish = command("create", "bob", room=DIRECT, title="Mine now", visibility=visibility)
        assert refused(held, wish) is Code.BAD_FIELD

    @pytest.mark.parametrize("held", [None, direct_room()], ids=["free", "taken"])
    def test_nobody_else_learns_whether_two_have_one(self, held):
        assert refused(held, direct("bob", ["otto"])) is Code.BAD_FIELD


class TestUpdate:
    @pytest.mark.parametrize("actor", ["olga", "adam"])
    def test_what_is_named_changes_and_the_rest_stays(self, actor):
        held = room(topic="before", metadata={"a": 1})
        decision = decided(held, command("update", actor, title="New", capacity=5, metadata={}))
        assert isinstance(decision, RoomUpdated)
        after = evolve(held, decision)
        assert (after.title, after.topic, after.capacity, after.metadata) == ("New", "before", 5, {})
        assert (decision.seq, decision.topic, decision.visibility) == (2, None, None)

    def test_a_room_goes_private_and_comes_back(self):
        private = evolve(room(), decided(room(), command("update", "olga", visibility="private")))
        assert private.visibility is Visibility.PRIVATE
        public = evolve(private, decided(private, command("update", "olga", visibility="public")))
        assert public.visibility is Visibility.PUBLIC

    def test_something_must_be_named(self):
        assert refused(room(), command("update", "olga")) is Code.BAD_FIELD

    @pytest.mark.parametrize(("capacity", "code"), [(5, None), (4, Code.BAD_FIELD)])
    def test_the_members_that_are_there_fit_into_the_capacity(self, capacity, code):
        decision = decided(room(), command("update", "olga", capacity=capacity))
        assert (decision.code if isinstance(decision, Refusal) else None) is code

    def test_what_is_as_it_should_be_makes_no_event(self):
        held = room(topic="all", metadata={"a": [1]})
        same = {"title": "General", "topic": "all", "capacity": 10, "visibility": "public", "metadata": {"a": [1]}}
        assert decided(held, command("update", "olga", **same)) == Unchanged()

    @pytest.mark.parametrize("value", [True, 1.0])
    def test_metadata_is_compared_as_json(self, value):
        assert isinstance(
            decided(room(metadata={"a": 1}), command("update", "olga", metadata={"a": value})), RoomUpdated
        )

    def test_a_room_never_becomes_direct(self):
        assert refused(room(), command("update", "olga", visibility="direct")) is Code.BAD_FIELD

    @pytest.mark.parametrize("change", [{"title": "Us"}, {"topic": "us"}, {"metadata": {"a": 1}}])
    @pytest.mark.parametrize("actor", ["olga", "otto"])
    def test_both_members_of_a_direct_room_say_what_it_is(self, actor, change):
        assert isinstance(decided(direct_room(), command("update", actor, **change)), RoomUpdated)

    @pytest.mark.parametrize("change", [{"visibility": "public"}, {"visibility": "direct"}, {"capacity": 3}])
    def test_a_direct_room_stays_what_it_is(self, change):
        assert refused(direct_room(), command("update", "olga", title="Us", **change)) is Code.NOT_ALLOWED


def test_a_closed_room_stays_as_it_was():
    decision = decided(room(), command("close", "olga"))
    assert isinstance(decision, RoomClosed)
    after = evolve(room(), decision)
    assert (after.closed, set(after.members)) == (True, set(room().members))
