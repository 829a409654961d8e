"""How the conversation socket says no: the registry's codes in the words its clients know. Pure.

`code` is the upper-case word of the documents, `error` the lower-case one that the running servers sent.
"""

from __future__ import annotations

from typing import Final

from schemas.answers import Refused
from schemas.errors import ERRORS, Code
from services.gateway.doors.conversation.asking import Frame

WORDS: Final[dict[Code, str]] = {
    Code.BAD_FRAME: "INVALID_JSON",
    Code.BAD_FIELD: "MALFORMED_REQUEST",
    Code.TOO_LARGE: "MESSAGE_TOO_LARGE",
    Code.UNKNOWN_COMMAND: "NOT_SUPPORTED",
    Code.UNAUTHENTICATED: "AUTH_FAILED",
    Code.TOKEN_EXPIRED: "AUTH_FAILED",
    Code.NOT_ALLOWED: "FORBIDDEN",
    Code.NOT_A_MEMBER: "NOT_PARTICIPANT",
    Code.BANNED: "FORBIDDEN",
    Code.MUTED: "FORBIDDEN",
    Code.ROOM_NOT_FOUND: "NOT_FOUND",
    Code.ROOM_CLOSED: "CONVERSATION_ARCHIVED",
    Code.RATE_LIMITED: "RATE_LIMITED",
    Code.OVERLOADED: "QUEUE_FULL",
    Code.INTERNAL: "INTERNAL_ERROR",
}
LOWER: Final = frozenset({"INVALID_JSON", "QUEUE_FULL", "RATE_LIMITED", "AUTH_FAILED"})
OTHERWISE: Final = "processing_error"
RETRY_SECONDS: Final = 1.0
"""When to come back where whoever refused named no time."""


def word_of(code: Code) -> str:
    """The word for a code; one that clients of conversations never heard of is said as it is, in capitals."""
    return WORDS.get(code, code.value.upper())


def error_frame(room: str, refused: Refused) -> Frame:
    """Say a refusal. `message_id` names the message that is refused, as its client named it."""
    word = word_of(refused.code)
    after = refused.retry_after_seconds or (RETRY_SECONDS if refused.retry else None)
    frame: Frame = {
        "type": "error",
        "code": word,
        "error": word.lower() if word in LOWER else OTHERWISE,
        "message": refused.message,
        "conversation_id": room,
        "status": ERRORS[refused.code].http,
        "gatehouse_code": refused.code.value,
        "definite": refused.definite,
    }
    optional = {"message_id": refused.command_id, "retry_after": after}
    return frame | {name: value for name, value in optional.items() if value is not None}
