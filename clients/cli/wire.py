"""What a gate sends, read into the kernel's models. Lenient where the kernel is strict: a newer gate may say more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from schemas.answers import Accepted, FrameNumber, Refused
from schemas.events import EVENT, Event
from schemas.frames import (
    SERVER_FRAMES,
    Attached,
    Bye,
    Detached,
    Found,
    Lagged,
    Members,
    Page,
    Pong,
    Reset,
    Rooms,
    Welcome,
)
from schemas.signals import SIGNAL, Signal


@dataclass(frozen=True, slots=True)
class UnknownEvent:
    """An event this client has no shape for. It still has its place in the room's order."""

    room: str
    epoch: str
    seq: int


AnyEvent = Event | UnknownEvent


@dataclass(frozen=True, slots=True)
class EventsPage:
    """A page of history, with events that this client may not know."""

    id: FrameNumber | None
    room: str
    epoch: str
    head: int
    events: tuple[AnyEvent, ...]


Received = (
    Accepted
    | Attached
    | Bye
    | Detached
    | EventsPage
    | Event
    | Found
    | Lagged
    | Members
    | Pong
    | Refused
    | Reset
    | Rooms
    | Signal
    | UnknownEvent
    | Welcome
)


def read_frame(text: str | bytes) -> Received | None:
    """Read one frame; None for one that this client cannot read, which it must pass over."""
    try:
        fields = json.loads(text)
    except ValueError:
        return None
    return _read_object(fields) if isinstance(fields, dict) else None


def _read_object(fields: dict[str, Any]) -> Received | None:  # Any: a JSON object from outside
    try:
        match fields.get("type"):
            case "event":
                return _read_event(fields)
            case "signal":
                return SIGNAL.validate_python(fields, extra="ignore")
            case "page":
                return _read_page(fields)
            case str(name) if name in SERVER_FRAMES:
                frame = SERVER_FRAMES[name].model_validate(fields, extra="ignore")
                return None if isinstance(frame, Page) else frame
            case _:
                return None
    except ValidationError:
        return None


def _read_event(fields: Mapping[str, Any]) -> AnyEvent | None:  # Any: a JSON object from outside
    try:
        return EVENT.validate_python(fields, extra="ignore")
    except ValidationError:
        match fields:
            case {"room": str(room), "epoch": str(epoch), "seq": int(seq)}:
                return UnknownEvent(room, epoch, seq)
            case _:
                return None


def _read_page(fields: Mapping[str, Any]) -> EventsPage:  # Any: a JSON object from outside
    page = Page.model_validate({**fields, "events": ()}, extra="ignore")
    listed = fields.get("events")
    read = (_read_event(each) for each in (listed if isinstance(listed, list) else ()) if isinstance(each, dict))
    return EventsPage(page.id, page.room, page.epoch, page.head, tuple(event for event in read if event is not None))
