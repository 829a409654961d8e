"""What a word is when messages are searched: the same for every store. Pure."""

from __future__ import annotations

import re
from typing import Final
from unicodedata import normalize

_WORD: Final = re.compile(r"\w+")


def words_of(text: str) -> frozenset[str]:
    """The words of a text: runs of letters, digits and low lines in any language, without regard to case."""
    return frozenset(_WORD.findall(normalize("NFKC", text).casefold()))
