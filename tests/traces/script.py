"""A trace file as text: prose, steps, and under each step the output it had. Knows nothing of what steps mean."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

INDENT = "  "


class BadTrace(Exception):
    """A trace that cannot be played: where, and why."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(f"{path}:{line}: {reason}")


class BadStep(Exception):
    """A step that means nothing here."""


@dataclass(frozen=True, slots=True)
class Prose:
    """A comment or an empty line, kept as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """What somebody does, at `line` of its file, and what came of it."""

    text: str
    line: int
    output: tuple[str, ...] = ()


Item = Prose | Step


def read_script(path: Path) -> list[Item]:
    """Read a trace file.

    Raises:
        BadTrace: output stands where no step is.
    """
    items: list[Item] = []
    for number, text in enumerate(path.read_text().splitlines(), 1):
        if text.startswith(INDENT) and text.strip():
            if not items or not isinstance(items[-1], Step):
                raise BadTrace(path, number, "output without a step above it")
            items[-1] = replace(items[-1], output=(*items[-1].output, text.removeprefix(INDENT)))
        elif text.startswith("#") or not text.strip():
            items.append(Prose(text.rstrip()))
        else:
            items.append(Step(text.rstrip(), number))
    return items


def written(items: Iterable[Item]) -> str:
    """The file again."""
    lines: list[str] = []
    for item in items:
        lines.append(item.text)
        if isinstance(item, Step):
            lines += [INDENT + text for text in item.output]
    return "\n".join(lines) + "\n"


def replayed(path: Path, play: Callable[[str], Iterable[str]]) -> str:
    """The file as it would be with the output that `play` gives to each step.

    Raises:
        BadTrace: a step means nothing to `play`.
    """
    items: list[Item] = []
    for item in read_script(path):
        if isinstance(item, Step):
            try:
                items.append(replace(item, output=tuple(play(item.text))))
            except BadStep as error:
                raise BadTrace(path, item.line, str(error)) from error
        else:
            items.append(item)
    return written(items)


def difference(path: Path, now: str) -> str:
    """What the file says and what came instead, as a unified diff; empty when there is none."""
    stands, came = f"{path.name} as it stands", f"{path.name} as it came"
    lines = difflib.unified_diff(path.read_text().splitlines(), now.splitlines(), stands, came, lineterm="")
    return "\n".join(lines)
