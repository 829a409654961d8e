"""A bounded memory of answers."""

from schemas.answers import Accepted
from schemas.state import AppliedCommand
from services.room.recent import Recent
from tests.unit.room.given import NOW


def answer(number):
    return Accepted(command_id=f"c{number}", room="general", epoch="e", seq=number, at=NOW)


def test_an_answer_is_found_under_its_actor_and_command_only():
    recent = Recent()
    recent.remember("mia", answer(1))
    assert recent.find("mia", "c1") == answer(1)
    assert recent.find("bob", "c1") is None
    assert recent.find("mia", "c2") is None


def test_the_oldest_goes_first_whether_it_came_from_a_snapshot_or_not():
    applied = [AppliedCommand(actor="mia", command_id=f"c{number}", answer=answer(number)) for number in (1, 2, 3)]
    recent = Recent(applied, limit=3)
    recent.remember("mia", answer(4))
    assert recent.find("mia", "c1") is None
    assert [recent.find("mia", f"c{number}") for number in (2, 3, 4)] == [answer(2), answer(3), answer(4)]
