"""Pages of the docs that hold a table made from the code, between two marks."""

from __future__ import annotations


def between_marks(page: str, begin: str, end: str, table: str) -> str:
    """The page with what stands between its two marks replaced.

    Raises:
        ValueError: the page has no such marks.
    """
    head, begun, rest = page.partition(begin)
    _, ended, tail = rest.partition(end)
    if not begun or not ended:
        raise ValueError(f"the page has no place for what belongs behind {begin}")
    return f"{head}{begin}\n{table}\n{end}{tail}"
