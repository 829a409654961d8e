"""A snapshot in parts: how history cuts a big one, and how who asked joins it again. Pure.

The lists of a room at its limits are tens of megabytes; no broker takes that as one message, and nobody should stand
still while reading it. The parts of one answer are numbered and repeat what is no list, so that one which is missing,
comes twice or belongs to another answer is noticed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from schemas import limits
from schemas.model import Model
from schemas.queries import SnapshotAnswer
from schemas.state import Snapshot

_STATE_LISTS: Final = ("members", "bans", "formers", "invites")
_RECENT: Final = "recent"

Lists = dict[str, list[Any]]  # Any: entries of the list that the name says


class PartMisfit(ValueError):
    """A part that does not follow the ones before it: the answer cannot be joined any more."""


def cut(snapshot: Snapshot, most_bytes: int = limits.SNAPSHOT_PART_BYTES) -> list[SnapshotAnswer]:
    """The answers that carry a snapshot, in the order in which they are to be sent: at least one, each with at most
    `most_bytes` of list entries, or a single entry."""
    pieces = _pieces(_entries(snapshot), most_bytes)
    last = len(pieces) - 1
    return [
        SnapshotAnswer(snapshot=_with_lists(snapshot, piece), part=number, more=number < last)
        for number, piece in enumerate(pieces)
    ]


@dataclass(slots=True)
class Joining:
    """The parts of one answer as they arrive, at most `limits.SNAPSHOT_PARTS` of them."""

    _parts: list[Snapshot] = field(default_factory=list)

    def receive(self, answer: SnapshotAnswer) -> Snapshot | None:
        """Take the next part; the whole snapshot with the last one. Part 0 begins anew: the answer is given again.

        Raises:
            PartMisfit: a part is missing, or this one belongs to another answer, or there are too many.
        """
        if answer.part == 0:
            self._parts.clear()
        if answer.part != len(self._parts):
            raise PartMisfit(f"part {answer.part} came where {len(self._parts)} was to come")
        if self._parts and _without_lists(answer.snapshot) != _without_lists(self._parts[0]):
            raise PartMisfit(f"part {answer.part} is of another answer")
        if answer.part >= limits.SNAPSHOT_PARTS:
            raise PartMisfit(f"more than {limits.SNAPSHOT_PARTS} parts")
        self._parts.append(answer.snapshot)
        return None if answer.more else self._joined()

    def _joined(self) -> Snapshot:
        parts, self._parts = self._parts, []
        lists: Lists = {}
        for name, entry in (each for part in parts for each in _entries(part)):
            lists.setdefault(name, []).append(entry)
        return _with_lists(parts[0], lists)


def _entries(snapshot: Snapshot) -> Iterator[tuple[str, Model]]:
    for name in _STATE_LISTS if snapshot.state is not None else ():
        for entry in getattr(snapshot.state, name):
            yield name, entry
    for command in snapshot.recent:
        yield _RECENT, command


def _pieces(entries: Iterable[tuple[str, Model]], most_bytes: int) -> list[Lists]:
    pieces: list[Lists] = [{}]
    size = 0
    for name, entry in entries:
        weight = len(entry.to_json()) + 1
        if size and size + weight > most_bytes:
            pieces.append({})
            size = 0
        pieces[-1].setdefault(name, []).append(entry)
        size += weight
    return pieces


def _without_lists(snapshot: Snapshot) -> Snapshot:
    return _with_lists(snapshot, {})


def _with_lists(snapshot: Snapshot, lists: Lists) -> Snapshot:
    """The snapshot with these lists, those not named empty."""
    state = snapshot.state
    if state is not None:
        state = state.model_copy(update={name: tuple(lists.get(name, ())) for name in _STATE_LISTS})
    return snapshot.model_copy(update={"state": state, _RECENT: tuple(lists.get(_RECENT, ()))})
