"""The error table of the documentation, from the one registry of codes."""

from __future__ import annotations

from typing import Final

from schemas.errors import ERRORS, Code, ErrorSpec, ParkReason

GENERATED: Final = "<!-- Written by `python -m infra.generate` from schemas/errors.py. Edits are lost. -->"

_RANGES: Final = (
    (range(4000, 4500), "come back, with backoff (and not before `retry_after_seconds` of the `bye`)"),
    (range(4500, 5000), "do not come back: the same attempt would end the same way"),
)

_PARKED: Final[dict[ParkReason, str]] = {
    ParkReason.MALFORMED: "the body is not JSON of the shape its place wants",
    ParkReason.UNATTRIBUTED: "nobody vouches for who sent it, and there is no reply address to refuse it at",
    ParkReason.MISROUTED: "the routing key does not match the body",
    ParkReason.POISON: "it was tried and broke its handler",
    ParkReason.STALE_FENCE: "it was written by a room's former writer",
    ParkReason.CONFLICT: "another entry is stored at the same place",
}


def error_page() -> str:
    """The whole of docs/errors.md."""
    return "\n".join(
        (
            "# Codes",
            "",
            GENERATED,
            "",
            "Every refusal, on every door, carries one of these codes. Programs read the code; the sentence may be",
            "more exact than here. *Definite*: the command was certainly not applied. *Retry*: the same command,",
            "under the same `command_id` and with `retry: true`, may succeed; it is never applied twice.",
            "",
            "| code | sentence | definite | retry | HTTP | gRPC | close |",
            "|---|---|---|---|---|---|---|",
            *(_error_row(code, spec) for code, spec in ERRORS.items()),
            "",
            "## Close codes",
            "",
            "The range alone tells a client what to do; a code it does not know is no reason to guess.",
            "",
            "| range | a client should | codes |",
            "|---|---|---|",
            *(f"| {span.start}-{span.stop - 1} | {advice} | {_closes(span)} |" for span, advice in _RANGES),
            "",
            "## Reasons for parking",
            "",
            "A delivery that cannot be settled is set aside in `chat.parked` with one of these in `x-park-reason`.",
            "",
            "| reason | means |",
            "|---|---|",
            *(f"| `{reason}` | {_PARKED[reason]} |" for reason in ParkReason),
            "",
        )
    )


def _error_row(code: Code, spec: ErrorSpec) -> str:
    words = (f"`{code}`", spec.message, _yes(spec.definite), _yes(spec.retry), str(spec.http), spec.grpc)
    return f"| {' | '.join(words)} | {spec.close or ''} |"


def _yes(truth: bool) -> str:  # noqa: FBT001 - it prints a truth
    return "yes" if truth else "no"


def _closes(span: range) -> str:
    ending: dict[int, list[str]] = {}
    for code, spec in ERRORS.items():
        if spec.close is not None and spec.close in span:
            ending.setdefault(spec.close, []).append(f"`{code}`")
    return ", ".join(f"{close} {' or '.join(codes)}" for close, codes in sorted(ending.items()))
