"""What logs and the reasons of parked deliveries say of entries and errors: names and places, and nothing that somebody
wrote, because a text that is deleted must not live on in them. Pure."""

from __future__ import annotations

from pydantic import ValidationError

from schemas.events import Event, Receipt


def names_of(entry: Event | Receipt) -> dict[str, str | int]:
    """Which entry it is, as fields of a log line. An invite's id is a secret, and is not among them."""
    if isinstance(entry, Receipt):
        return {"room": entry.room, "entry": entry.record, "user": entry.user}
    return {
        "room": entry.room,
        "seq": entry.seq,
        "entry": entry.event,
        "actor": entry.actor,
        "command_id": entry.command_id,
    }


def complaint(error: ValidationError) -> str:
    """What is wrong first with a body, and where; not with what in it."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"]


class WithoutWords(Exception):
    """Stands in a log for an error of the type that it names."""


def without_words(error: Exception) -> WithoutWords:
    """For `exc_info`: where the error was raised and of which type it is. What it says may repeat what it choked on."""
    return WithoutWords(type(error).__name__).with_traceback(error.__traceback__)
