"""The checks find every anomaly they define, and nothing in a run that is well."""

from collections import Counter

import pytest

from tests.reliability.checks.anomalies import Anomaly, Stored
from tests.reliability.checks.ending import (
    judge_marks,
    judge_outstanding,
    judge_parked,
    judge_presence,
    judge_unread,
    unread_of,
)
from tests.reliability.checks.following import judge_client, judge_unattached
from tests.reliability.checks.keeping import (
    judge_answers,
    judge_message_ids,
    judge_refusals,
    judge_store,
    judge_wishes,
    judge_writers,
)
from tests.reliability.checks.ordering import judge_order, judge_split
from tests.reliability.journal import (
    Answered,
    Asked,
    Attached,
    Detached,
    Done,
    Garbled,
    Got,
    Lagged,
    Lost,
    Opened,
    Refused,
    Reset,
    Told,
    Unanswered,
)

STORED = {
    ("r", seq): Stored("r", "e", seq, "ann", f"c{seq}", text=f"text {seq}", row={"actor": "ann", "user": "bob"})
    for seq in range(1, 6)
}
BEGIN = [Opened(0, 0.0), Attached("r", "e", 2)]


def got(*seqs, **otherwise):
    return [Got("r", "e", seq, f"c{seq}", f"text {seq}")._replace(**otherwise) for seq in seqs]


def anomalies(*entries, head=5):
    found = judge_client("ann", [*BEGIN, *entries], STORED, {"r": head})
    return [finding.anomaly for finding in found]


@pytest.mark.parametrize(
    "entries",
    [
        got(3, 4, 5),
        [*got(3), Lost(None, frozenset()), Opened(1, 1.0), Attached("r", "e", 3), *got(4, 5)],
        [*got(3), Answered("r", "e", 4, "c4"), *got(5)],
        [*got(3), Answered("r", "e", 4, "c4"), *got(4, 5)],
        [*got(3), Answered("r", "e", 4, "c4"), Lagged("r", 2, 5), *got(3, 5)],
        [*got(3), Told("r", "typing", 0.5), *got(4, 5)],
        [Reset("r", "e", 1003), Attached("r", "e", 1003)],
        [*got(3), Answered("r", "e", 5, "c5"), *got(4, 5)],
        [*got(3), Lagged("r", 3, 5), *got(4, 5)],
        [*got(3, 4), Lagged("r", 3, 5), *got(4, 5)],
        [*got(3, 4, 5), Refused("overloaded", retry=True)],
    ],
    ids=[
        "live",
        "resumed",
        "own",
        "own with echo",
        "own in a lag",
        "signal",
        "far behind",
        "answered ahead",
        "lagged",
        "lagged and again",
        "overloaded",
    ],
)
def test_a_run_that_is_well_has_no_anomaly(entries):
    assert anomalies(*entries) == []


@pytest.mark.parametrize(
    ("anomaly", "entries"),
    [
        (Anomaly.HOLE, got(3, 5)),
        (Anomaly.HOLE, [*got(3), Lagged("r", 4, 5), *got(4, 5)]),
        (Anomaly.HOLE, [*got(3, 4, 5), Lagged("r", 2, 5), *got(4, 5)]),
        (Anomaly.REPEAT, [*got(3, 4, 5), Lagged("r", 2, 5), *got(3, 4, 4, 5)]),
        (Anomaly.REPEAT, [*got(3, 4, 5), Lagged("r", 2, 5), *got(3, 4, 5, 3)]),
        (Anomaly.REPEAT, [*got(3, 4, 5), Lagged("r", 3, 5), *got(3, 4, 5)]),
        (Anomaly.REPEAT, [*got(3), Answered("r", "e", 4, "c4"), *got(4, 4, 5)]),
        (Anomaly.REPEAT, got(3, 4, 4, 5)),
        (Anomaly.REPEAT, got(3, 4, 5, 3)),
        (Anomaly.PHANTOM, [*got(3, 4), *got(5, command_id="another")]),
        (Anomaly.PHANTOM, [*got(3, 4), *got(5, epoch="f")]),
        (Anomaly.PHANTOM, got(3, 4, 5, 6)),
        (Anomaly.PHANTOM, [*got(3, 4), *got(5, text="another text")]),
        (Anomaly.PHANTOM, [*got(3, 4), *got(5, text=None)]),
        (Anomaly.PHANTOM, [*got(3, 4), *got(5, frame='{"actor": "ann", "user": "eve"}')]),
        (Anomaly.UNFINISHED, got(3, 4)),
        (Anomaly.STRANGER, [*got(3, 4, 5), Lost(None, frozenset()), Opened(0, 1.0), *got(5)]),
        (Anomaly.WRONG_START, [*got(3), Opened(0, 1.0), Attached("r", "e", 4), *got(5)]),
        (Anomaly.STRANGER, [*got(3, 4, 5), Told("s", "presence", 1.0)]),
        (Anomaly.GARBLED, [*got(3, 4, 5), Garbled("no frame", 1.0)]),
        (Anomaly.NEEDLESS_RESET, [*got(3), Opened(0, 1.0), Reset("r", "e", 5), Attached("r", "e", 5)]),
        (Anomaly.REFUSED_FOR_GOOD, [*got(3, 4, 5), Refused("not_a_member", retry=False)]),
    ],
)
def test_an_anomaly_of_a_client_is_found(anomaly, entries):
    assert anomalies(*entries) == [anomaly]


def test_a_client_that_never_got_anything_is_unfinished():
    assert [found.anomaly for found in judge_client("ann", [], STORED, {"r": 5})] == [Anomaly.UNFINISHED]


@pytest.mark.parametrize(
    ("anomaly", "events"),
    [
        (Anomaly.STORED_HOLE, [STORED["r", 1], STORED["r", 3]]),
        (Anomaly.STORED_HOLE, [STORED["r", 1], STORED["r", 2]._replace(seq=1, command_id="other")]),
        (Anomaly.APPLIED_TWICE, [STORED["r", 1], STORED["r", 2]._replace(command_id="c1")]),
    ],
)
def test_an_anomaly_of_the_store_is_found(anomaly, events):
    assert [found.anomaly for found in judge_store(events)] == [anomaly]


@pytest.mark.parametrize(
    ("anomaly", "answers"),
    [
        (Anomaly.LOST, [Answered("r", "e", 9, "c9")]),
        (Anomaly.MOVED, [Answered("r", "e", 3, "c4")]),
    ],
)
def test_an_anomaly_of_an_answer_is_found(anomaly, answers):
    assert [found.anomaly for found in judge_answers({"ann": answers}, STORED)] == [anomaly]


def test_two_answers_to_one_command_are_found():
    answers = [Answered("r", "e", 4, "c4"), Answered("r", "e", 5, "c4")]
    found = [finding.anomaly for finding in judge_answers({"ann": answers}, STORED)]
    assert Anomaly.TWO_ANSWERS in found


def test_a_good_run_of_store_and_answers_has_no_anomaly():
    answers = [Answered("r", "e", 4, "c4"), Answered("r", "e", 4, "c4")]
    assert judge_store(STORED.values()) == []
    assert judge_answers({"ann": answers}, STORED) == []


def asked(*command_ids, at=0.0, again=False):
    return [
        Asked(command_id, "r", "send", "rest", again, at, f"text {command_id.removeprefix('c')}")
        for command_id in command_ids
    ]


ALL_ASKED = asked("c1", "c2", "c3", "c4", "c5")


def wishes(*entries):
    return [finding.anomaly for finding in judge_wishes({"ann": [*ALL_ASKED, *entries]}, STORED.values())]


def test_what_somebody_asked_for_may_be_stored():
    assert wishes() == []
    assert wishes(Refused("overloaded", retry=True, definite=True, command_id="c3"), Answered("r", "e", 3, "c3")) == []


def test_what_nobody_asked_for_is_found():
    found = judge_wishes({"ann": asked("c1", "c2", "c3", "c4"), "bob": asked("c5")}, STORED.values())
    assert [(each.anomaly, each.seq) for each in found] == [(Anomaly.UNASKED, 5)]


def test_what_was_certainly_refused_and_is_stored_is_found():
    assert wishes(Refused("muted", retry=False, definite=True, command_id="c3")) == [Anomaly.APPLIED_THOUGH_REFUSED]


@pytest.mark.parametrize(
    "unknown",
    [
        Unanswered("c3", 1.0),
        Lost(None, frozenset({"c3"})),
        Refused("no_answer", retry=True, definite=False, command_id="c3"),
    ],
)
def test_a_refusal_says_nothing_of_an_earlier_try_without_an_answer(unknown):
    assert wishes(unknown, Refused("not_a_member", retry=False, definite=True, command_id="c3")) == []


def test_an_event_of_a_replaced_writer_is_found():
    events = [STORED["r", seq]._replace(fence=fence) for seq, fence in enumerate((1, 1, 2, 1, 2), start=1)]
    assert [(each.anomaly, each.seq) for each in judge_writers(events)] == [(Anomaly.STALE_WRITER, 4)]
    assert judge_writers([STORED["r", seq]._replace(fence=seq // 2) for seq in range(1, 6)]) == []


@pytest.mark.parametrize(("ids", "wrong"), [((7, 8, 9), []), ((7, 9, 8), [3]), ((7, 7, 8), [2])])
def test_message_ids_that_repeat_or_fall_are_found(ids, wrong):
    events = [STORED["r", seq]._replace(message_id=f"msg_{number}") for seq, number in enumerate(ids, start=1)]
    assert [(each.anomaly, each.seq) for each in judge_message_ids(events)] == [
        (Anomaly.MISNUMBERED, seq) for seq in wrong
    ]


def test_a_message_id_of_two_rooms_is_found():
    events = [Stored(room, "e", 1, "ann", "c", message_id="msg_1") for room in ("r", "s")]
    assert [each.anomaly for each in judge_message_ids(events)] == [Anomaly.MISNUMBERED]


def test_who_may_do_everything_is_never_refused_for_good():
    journals = {
        "ann": [Refused("not_allowed", retry=False, command_id="c1"), Refused("overloaded", retry=True)],
        "bob": [Refused("not_a_member", retry=False, command_id="c2")],
    }
    assert [(each.anomaly, each.who) for each in judge_refusals(journals, {"ann"})] == [
        (Anomaly.REFUSED_FOR_GOOD, "ann")
    ]


def test_two_events_under_one_seq_are_found_whoever_was_told():
    told = {"ann": [Answered("r", "e", 3, "c3")], "bob": got(3), "eve": [Got("r", "e", 3, "other")]}
    assert [(each.anomaly, each.who) for each in judge_split(told)] == [(Anomaly.SPLIT, "eve")]
    assert judge_split({"ann": got(3), "bob": [Got("r", "f", 3, "other"), Got("s", "e", 3, "other")]}) == []


def operation(who, command_id, seq, since, until):
    return {who: [Asked(command_id, "r", "send", "rest", False, since), Answered("r", "e", seq, command_id, until)]}


def test_who_began_after_another_was_answered_has_the_higher_seq():
    first, second = operation("ann", "a", 5, 0.0, 1.0), operation("bob", "b", 4, 2.0, 3.0)
    assert [(each.anomaly, each.who) for each in judge_order(first | second)] == [(Anomaly.REORDERED, "bob")]
    assert judge_order(first | operation("bob", "b", 4, 0.5, 3.0)) == []
    assert judge_order(first | operation("bob", "b", 6, 2.0, 3.0)) == []


def test_a_command_counts_from_its_first_try_to_its_first_answer():
    again = {
        "bob": [
            *asked("b", at=0.5),
            *asked("b", at=2.0, again=True),
            Answered("r", "e", 4, "b", 3.0),
            *asked("b", at=8.0, again=True),
            Answered("r", "e", 4, "b", 9.0),
        ]
    }
    assert judge_order(operation("ann", "a", 5, 0.0, 1.0) | again) == []


def test_what_never_came_to_an_end_is_found():
    assert [each.evidence for each in judge_outstanding({"ann": {"c9"}, "bob": set()})] == ["c9"]


def test_unread_are_the_messages_of_others_behind_the_highest_mark_or_the_joining():
    events = [
        Stored("r", "e", 1, "own", "c1", "room_created"),
        Stored("r", "e", 2, "own", "c2"),
        Stored("r", "e", 3, "own", "c3", "member_joined", user="ann"),
        Stored("r", "e", 4, "own", "c4"),
        Stored("r", "e", 5, "ann", "c5"),
        Stored("r", "e", 6, "own", "c6"),
        Stored("s", "e", 7, "own", "c7"),
    ]
    marks = [Done("r", "mark_read", 4, "m", 1.0), Done("r", "mark_delivered", 6, "n", 2.0)]
    assert unread_of("ann", "r", [], events) == 2
    assert unread_of("ann", "r", marks, events) == 1
    assert unread_of("own", "r", marks, events) == 1


def test_a_wrong_count_and_one_that_is_missing_are_found():
    counted = {("ann", "r"): 1, ("bob", "r"): 0, ("eve", "r"): 2}
    found = judge_unread({("ann", "r"): 1, ("bob", "r"): 3}, counted)
    assert [(each.anomaly, each.who) for each in found] == [
        (Anomaly.WRONG_UNREAD, "bob"),
        (Anomaly.WRONG_UNREAD, "eve"),
    ]


def test_ghosts_and_those_who_are_overlooked_are_found():
    found = judge_presence({"r": {"ann", "ghost"}}, {"r": {"ann", "bob"}})
    assert [(each.who, each.evidence) for each in found] == [("bob", "is told offline"), ("ghost", "is told online")]
    assert judge_presence({"r": {"ann"}}, {"r": {"ann"}}) == []


def test_an_entry_that_contradicts_the_store_is_found():
    assert [each.anomaly for each in judge_parked(Counter(conflict=1, stale_fence=3))] == [Anomaly.CONTRADICTION]
    assert judge_parked(Counter(stale_fence=3, bad_frame=2)) == []


def test_an_event_behind_the_end_of_its_session_is_found():
    assert anomalies(*got(3, 4), Detached("r", "not_a_member", 1.0), *got(5)) == [Anomaly.STRANGER, Anomaly.UNFINISHED]


def test_what_may_come_again_on_one_connection_may_not_on_the_next():
    lagged = [*got(3, 4, 5), Lagged("r", 2, 5), *got(3, 4)]
    assert anomalies(*lagged) == []
    assert anomalies(*lagged, Opened(0, 1.0), Attached("r", "e", 5), *got(4)) == [Anomaly.REPEAT]


def test_a_text_that_nobody_wrote_and_a_room_that_nobody_meant_are_found():
    said = Asked("c3", "r", "send", "rest", False, 0.0, "text 3")
    assert wishes(said) == []
    assert wishes(said._replace(text="another")) == [Anomaly.UNASKED]
    elsewhere = [entry._replace(room="s") if entry.command_id == "c3" else entry for entry in ALL_ASKED]
    found = judge_wishes({"ann": elsewhere}, STORED.values())
    assert [(each.anomaly, each.seq) for each in found] == [(Anomaly.UNASKED, 3)]


@pytest.mark.parametrize(("who", "epoch"), [("bob", "e"), ("ann", "f")])
def test_an_answer_to_somebody_else_or_of_another_numbering_is_found(who, epoch):
    found = judge_answers({who: [Answered("r", epoch, 4, "c4")]}, STORED)
    assert [finding.anomaly for finding in found] == [Anomaly.MOVED]


@pytest.mark.parametrize(
    "asked_for",
    [{"verb": "leave"}, {"verb": "typing"}, {"text": None}],
    ids=["another verb", "a verb without event", "no text"],
)
def test_an_event_that_is_not_what_the_verb_makes_is_found(asked_for):
    assert wishes(ALL_ASKED[2]._replace(**asked_for)) == [Anomaly.UNASKED]


@pytest.mark.parametrize(("user", "found"), [("eve", []), ("bob", [Anomaly.UNASKED])])
def test_an_event_about_somebody_else_than_was_meant_is_found(user, found):
    asked_for = Asked("c1", "r", "kick", "rest", False, 0.0, user="eve")
    kicked = Stored("r", "e", 1, "ann", "c1", "member_left", user=user)
    assert [each.anomaly for each in judge_wishes({"ann": [asked_for]}, [kicked])] == found


def test_who_never_attached_is_pushed_nothing_of_a_room():
    told = [Opened(0, 0.0), *got(3), Told("r", "presence", 1.0), Garbled("no frame", 1.0), Answered("r", "e", 4, "c4")]
    found = [each.anomaly for each in judge_unattached("ann", told)]
    assert found == [Anomaly.STRANGER, Anomaly.STRANGER, Anomaly.GARBLED]


@pytest.mark.parametrize(
    ("kept", "wrong"),
    [((4, 6), []), ((3, 6), [4]), ((4, 5), [4]), ((0, 0), [4])],
    ids=["right", "unread", "lost", "none"],
)
def test_marks_that_are_kept_otherwise_than_accepted_are_found(kept, wrong):
    marks = [
        Done("r", verb, upto, f"{verb}{upto}", 1.0)
        for verb, upto in (("mark_read", 4), ("mark_read", 2), ("mark_delivered", 6), ("mark_delivered", 3))
    ]
    found = judge_marks({("ann", "r"): kept}, {"ann": [*marks, Done("s", "mark_read", 9, "other", 1.0)]})
    assert [(each.anomaly, each.seq) for each in found] == [(Anomaly.WRONG_MARK, seq) for seq in wrong]


def test_reading_is_receiving():
    assert judge_marks({("ann", "r"): (4, 4)}, {"ann": [Done("r", "mark_read", 4, "m", 1.0)]}) == []
