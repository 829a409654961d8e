"""When all is well after a fault is told from the journals of those who write and of those who listen."""

import math

from tests.reliability.checks.ordering import Operation
from tests.reliability.healing import Healing, healings
from tests.reliability.journal import Got
from tests.reliability.nemesis.nemesis import Done
from tests.reliability.nemesis.schedule import Fault, Kind

ALARM = Done(Fault(1.0, Kind.ALARM, 0, 2.0, 0.1), began=8.0, ended=10.0)


def accept(seq, at):
    return Operation("ann", "r", seq, at - 0.5, at)


def event(seq, at):
    return Got("r", "e", seq, f"c{seq}", at=at)


def healing(operations, *followers):
    return healings([ALARM], operations, {"r": followers})


def test_all_is_well_after_a_fault_when_somebody_was_accepted_and_every_follower_knows():
    told = healing([accept(5, 9.5), accept(6, 11.0)], [event(5, 9.7), event(6, 13.0)], [event(7, 12.0)])
    assert told == [Healing("memory alarm of RabbitMQ", 1, 3.0, 3.0, 1.5)]


def test_where_nobody_writes_any_more_nothing_is_known():
    assert healing([]) == []


def test_who_never_gets_the_message_is_not_healed():
    (told,) = healing([accept(6, 11.0)], [event(6, 12.0)], [event(5, 9.0)])
    assert told.worst_seconds == told.median_seconds == math.inf


def test_the_silence_of_a_fault_counts_from_its_begin():
    (told,) = healing([accept(4, 7.0), accept(5, 8.5), accept(6, 12.0), accept(7, 30.0)], [event(6, 12.5)])
    assert (told.worst_seconds, told.silence_seconds) == (2.5, 3.5)


def test_the_longest_silence_is_that_of_the_quietest_room():
    operations = [accept(5, 9.0), accept(6, 10.0), Operation("bob", "s", 1, 0.0, 14.0)]
    (told,) = healings([ALARM], operations, {"r": [[event(6, 10.0)]], "s": [[]]})
    assert told.silence_seconds == 6.0
