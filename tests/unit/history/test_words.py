"""What a word is when messages are searched."""

import unicodedata

import pytest

from services.history.words import MESSAGE_WORDS, WORD_CHARACTERS, wanted_words, words_of


def finds(query, text):
    wanted = wanted_words(query)
    return bool(wanted) and set(wanted) <= set(words_of(text))


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("coffee", "Coffee, anyone?"),
        ("COFFEE anyone", "anyone for coffee"),
        ("straße", "STRASSE 5"),
        ("cafe\u0301", "caf\u00e9"),
        ("ﬁne", "fine"),
        ("Ελλάδα", "ΕΛΛΆΔΑ είναι"),
        ("привет", "Привет, мир"),
        ("हिन्दी", "यह हिन्दी है"),
        ("مرحبا", "مرحبا بالعالم"),
        ("안녕", "안녕 세상"),
        ("世界", "你好世界"),
        ("世", "你好世界"),
        ("hello世界", "世界 and hello"),
        ("東京", "明日は東京へ行く"),
        ("ไทย", "ภาษาไทยง่าย"),
        ("don't", "I don't know"),
        ("snake_case 42", "a snake_case of 42"),
        ("-coffee", "coffee"),
        ('"coffee now"', "now coffee"),
        ("coffee OR tea", "or tea or coffee"),
        ("a\x00b", "a b"),
        ("i\u0307stanbul", "İstanbul"),
    ],
)
def test_a_text_is_found_by_its_words_in_any_language_and_form(query, text):
    assert finds(query, text)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("coffee tea", "coffee"),
        ("cof", "coffee"),
        ("coffees", "coffee"),
        ("界世", "你好世界"),
        ("你世", "你好世界"),
        ("", "coffee"),
        ("- \" ' $ * ( ) 👍 .", "coffee - 👍"),
    ],
)
def test_a_text_is_not_found_by_what_is_not_in_it(query, text):
    assert not finds(query, text)


def test_words_come_once_and_in_order():
    assert words_of("b a B a") == ["b", "a"]
    assert wanted_words("b a B a") == ["b", "a"]


def test_a_long_word_counts_by_its_beginning():
    long = "x" * WORD_CHARACTERS
    assert words_of(long + "yyy") == [long]
    assert finds(long + "zzz", long + "yyy")


def test_words_of_a_message_are_bounded():
    assert len(words_of(" ".join(map(str, range(5000))))) == MESSAGE_WORDS
    assert len(words_of("".join(map(chr, range(0x4E00, 0x4E00 + 5000))))) == MESSAGE_WORDS
    assert len(words_of("\ufdfa" * 5000)) <= MESSAGE_WORDS


@pytest.mark.parametrize("character", ["\u0130", "\u1e9e", "\ufb03", "\u0345", "\u0e33", "\u3371"])
def test_words_are_the_same_however_the_text_is_written(character):
    forms = {tuple(words_of(unicodedata.normalize(form, character))) for form in ("NFC", "NFD", "NFKC", "NFKD")}
    assert len(forms) == 1
