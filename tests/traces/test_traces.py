import shutil
from pathlib import Path

import pytest
from pydantic_core import to_json

from schemas.answers import Accepted
from schemas.errors import Code
from services.gateway.wire import text_frame
from services.room import hall, messages, model
from services.room.decisions import Refusal
from tests.traces.client import Client
from tests.traces.script import BadTrace, difference, replayed
from tests.traces.world import World

HERE = Path(__file__).parent
TRACES = sorted(HERE.glob("*.txt"))
STORIES = {
    "join",
    "direct",
    "invite",
    "ban",
    "roles",
    "messages",
    "retention",
    "receipts",
    "presence",
    "handover",
    "fence",
    "retry",
    "gap",
    "reset",
}


@pytest.fixture
def trace(tmp_path):
    """Writes a trace of its own: `path = trace("ann> ...", ...)`."""

    def write(*lines):
        path = tmp_path / "own.txt"
        path.write_text("".join(f"{line}\n" for line in lines))
        return path

    return write


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_the_cores_tell_the_story_as_it_is_written(path, request):
    now = replayed(path, World().play)
    if request.config.getoption("rewrite"):
        path.write_text(now)
    if different := difference(path, now):
        pytest.fail(f"{different}\n\nIf it is right: pytest tests/traces -k {path.stem} --rewrite", pytrace=False)
    assert "!!" not in now


def test_no_story_is_missing():
    assert {path.stem for path in TRACES} >= STORIES


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_a_rewrite_is_stable(path, tmp_path):
    copy = Path(shutil.copy(path, tmp_path))
    copy.write_text(replayed(copy, World().play))
    once = copy.read_text()
    copy.write_text(replayed(copy, World().play))
    assert copy.read_text() == once


def test_a_rewrite_changes_nothing_but_output(trace):
    path = trace("# Prose,  kept.", "", "worker w1 starts", "  stale", "# More.", 'ann> create a public "A" id=x')
    now = replayed(path, World().play)
    assert [line for line in now.splitlines() if not line.startswith("  ")] == [
        line for line in path.read_text().splitlines() if not line.startswith("  ")
    ]
    assert "stale" not in now
    assert "    ann < accepted x at a 1" in now


def test_an_altered_expectation_fails_with_a_diff(trace):
    path = trace("worker w1 starts", 'ann> create a public "A" id=x', "    ann < accepted x at a 2")
    now = replayed(path, World().play)
    different = difference(path, now).splitlines()
    assert "-    ann < accepted x at a 2" in different
    assert "+    ann < accepted x at a 1" in different


def test_a_changed_core_breaks_a_story(monkeypatch):
    path = HERE / "join.txt"
    monkeypatch.setattr(messages, "send", lambda *_: Refusal(Code.NOT_ALLOWED))
    assert "-    bob@g2 < accepted c5 at lobby 3" in difference(path, replayed(path, World().play)).splitlines()


def test_i7_a_writer_and_a_history_that_disagree_are_pointed_out(trace, monkeypatch):
    monkeypatch.setattr(model, "_joined", lambda room, _: room)
    path = trace("worker w1 starts", 'ann> create a public "A"', "bob> join a")
    assert replayed(path, World().play).splitlines()[-1] == "  !! writer and history differ about a"


def test_i2_another_answer_to_the_same_command_is_pointed_out(trace, monkeypatch):
    class Altered(Accepted):
        @classmethod
        def of(cls, event):
            return Accepted.of(event).model_copy(update={"seq": 7})

    monkeypatch.setattr(hall, "Accepted", Altered)
    path = trace("worker w1 starts", 'ann> create a public "A" id=x', "worker w2 starts", "worker w1 crashes")
    path.write_text(path.read_text() + 'ann> create a public "A" id=x\n')
    assert "  !! the first answer to x was accepted x at a 7, 12:00" in replayed(path, World().play).splitlines()


@pytest.mark.parametrize(("seq", "said"), [(2, []), (1, []), (3, ["!! ann@g1 was at 1 and got 3"])])
def test_i3_a_hole_in_what_a_client_hears_is_pointed_out(seq, said):
    world = World()
    client, lines = Client("g1/ann", "ann", world), world.play("show a")
    for frame in ({"type": "attached", "room": "a", "seq": 1}, {"type": "event", "room": "a", "seq": seq}):
        client.write(text_frame(to_json(frame)))
    assert lines[1:] == said


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ("ann jumps", "nobody can do this: ann jumps"),
        ("ann> jump lobby", "nobody can 'jump'"),
        ("ann> send lobby one two", "one word too many: 'two'"),
        ('ann> send lobby "no end', "No closing quotation"),
        ("ann> send lobby hello colour=red", "send.colour: Extra inputs are not permitted"),
        ("ann> ban lobby bob until=soon", "'soon' is no span of time: 90s, 10m, 2h, 7d"),
        ("wait long", "'long' is no span of time: 90s, 10m, 2h, 7d"),
        ("ann@g9> attach lobby", "there is no gate g9"),
        ("worker w9 crashes", "there is no worker w9"),
        ("worker w1 stalls before lunch", "a worker stalls before log, confirm, fan-out, ack"),
        ("ann@g1> detach lobby", "ann@g1 is not attached to lobby"),
    ],
)
def test_a_step_that_means_nothing_is_an_error_with_file_and_line(trace, step, reason):
    path = trace("gate g1 starts", "worker w1 starts", "", step)
    with pytest.raises(BadTrace) as caught:
        replayed(path, World().play)
    assert str(caught.value) == f"{path}:4: {reason}"


def test_output_without_a_step_is_an_error_with_file_and_line(trace):
    path = trace("# Prose", "  output")
    with pytest.raises(BadTrace, match=r"own\.txt:2: output without a step above it"):
        replayed(path, World().play)
