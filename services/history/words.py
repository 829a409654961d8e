"""What a word is when messages are searched, the same over every store. Pure.

Most scripts part words by something that is no letter. Those that do not (Chinese, Japanese, Thai, Lao, Burmese, Khmer)
are cut into single characters and pairs of neighbours, so that a part of a run is found in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, pairwise
from typing import Final
from unicodedata import category, normalize

WORD_CHARACTERS: Final = 64
"""A longer word counts by its beginning."""

MESSAGE_WORDS: Final = 1_000
"""So many different words of a message count, the first ones."""

_UNPARTED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_PIECE: Final = re.compile(f"[{_UNPARTED}]+|[^{_UNPARTED}]+")
_ASCII_WORD: Final = re.compile(rf"(\w{{1,{WORD_CHARACTERS}}})\w*", re.ASCII)
_FIRST_UNPARTED: Final = "\u0e00"


def words_of(text: str) -> list[str]:
    """The words by which a text is found, each once: runs of letters, digits, marks and low lines without regard to
    case or form, and characters and pairs of scripts that do not part words."""
    if text.isascii():
        return _ascii_words(text)[:MESSAGE_WORDS]
    found = dict.fromkeys(word for piece in _pieces(text) for word in (*_characters(piece), *_wanted(piece)))
    return [*found][:MESSAGE_WORDS]


def wanted_words(query: str) -> list[str]:
    """The words that a text has to have among its own to be found by a query; none: nothing is."""
    if query.isascii():
        return _ascii_words(query)
    return [*dict.fromkeys(chain.from_iterable(map(_wanted, _pieces(query))))]


def _ascii_words(text: str) -> list[str]:
    """The same without what ASCII has not: other forms of a character, and scripts that do not part words."""
    return [*dict.fromkeys(_ASCII_WORD.findall(text.lower()))]


def _wanted(piece: str) -> Iterator[str]:
    if not _is_unparted(piece) or len(piece) == 1:
        yield piece[:WORD_CHARACTERS]
    else:
        yield from map("".join, pairwise(piece))


def _characters(piece: str) -> Iterator[str]:
    if _is_unparted(piece):
        yield from piece


def _is_unparted(piece: str) -> bool:
    return piece[0] >= _FIRST_UNPARTED and re.match(f"[{_UNPARTED}]", piece) is not None


def _pieces(text: str) -> Iterator[str]:
    """Runs of one kind: of scripts that part words, and of those that do not."""
    folded = normalize("NFKC", normalize("NFKC", text).casefold())
    for run in "".join(character if _is_of_word(character) else " " for character in folded).split():
        yield from _PIECE.findall(run)


def _is_of_word(character: str) -> bool:
    return character == "_" or category(character)[0] in "LMN"
