"""The checks find every anomaly they define, and nothing in a run that is well."""

import pytest

from tests.reliability.checks import Anomaly, Stored, judge_answers, judge_client, judge_store
from tests.reliability.journal import Answered, Attached, Got, Lagged, Lost, Opened, Refused, Reset

STORED = {("r", seq): Stored("r", "e", seq, "ann", f"c{seq}") for seq in range(1, 6)}
BEGIN = [Opened(0, 0.0), Attached("r", "e", 2)]


def got(*seqs):
    return [Got("r", "e", seq, f"c{seq}") for seq in seqs]


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
        [*got(3), Answered("r", "e", 5, "c5"), *got(4, 5)],
        [*got(3), Lagged("r", 3, 5), *got(4, 5)],
        [*got(3, 4), Lagged("r", 3, 5), *got(4, 5)],
        [*got(3, 4, 5), Refused("overloaded", retry=True)],
    ],
    ids=["live", "resumed", "own", "own with echo", "answered ahead", "lagged", "lagged and again", "overloaded"],
)
def test_a_run_that_is_well_has_no_anomaly(entries):
    assert anomalies(*entries) == []


@pytest.mark.parametrize(
    ("anomaly", "entries"),
    [
        (Anomaly.HOLE, got(3, 5)),
        (Anomaly.HOLE, [*got(3), Lagged("r", 4, 5), Got("r", "e", 4, "c4"), *got(5)]),
        (Anomaly.REPEAT, got(3, 4, 4, 5)),
        (Anomaly.REPEAT, got(3, 4, 5, 3)),
        (Anomaly.PHANTOM, [*got(3, 4), Got("r", "e", 5, "another")]),
        (Anomaly.PHANTOM, [*got(3, 4), Got("r", "f", 5, "c5")]),
        (Anomaly.PHANTOM, [*got(3, 4, 5), Got("r", "e", 6, "c6")]),
        (Anomaly.UNFINISHED, got(3, 4)),
        (Anomaly.STRANGER, [*got(3, 4, 5), Lost(None, frozenset()), Opened(0, 1.0), Got("r", "e", 5, "c5")]),
        (Anomaly.WRONG_START, [*got(3), Opened(0, 1.0), Attached("r", "e", 4), *got(5)]),
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
