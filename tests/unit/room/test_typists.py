"""Who was said to be writing a moment ago."""

from services.room.typists import Typists


def test_the_same_again_within_a_second_is_no_news():
    typists = Typists()
    assert typists.receive("r", "mia", 10.0, active=True)
    assert not typists.receive("r", "mia", 10.9, active=True)
    assert typists.receive("r", "mia", 11.0, active=True)


def test_to_stop_is_news_at_once_and_so_is_to_go_on():
    typists = Typists()
    assert typists.receive("r", "mia", 10.0, active=True)
    assert typists.receive("r", "mia", 10.1, active=False)
    assert not typists.receive("r", "mia", 10.2, active=False)
    assert typists.receive("r", "mia", 10.3, active=True)


def test_who_goes_on_writing_right_behind_their_message_is_told_again():
    typists = Typists()
    assert typists.receive("r", "mia", 10.0, active=True)
    typists.receive_message("r", "mia")
    assert typists.receive("r", "mia", 10.1, active=True)


def test_others_and_other_rooms_are_other_news():
    typists = Typists()
    assert typists.receive("r", "mia", 10.0, active=True)
    assert typists.receive("r", "bob", 10.0, active=True)
    assert typists.receive("s", "mia", 10.0, active=True)


def test_only_those_of_the_last_second_are_remembered():
    typists = Typists()
    for number in range(100):
        typists.receive("r", f"u{number}", number / 10, active=True)
    assert len(typists) == 10
    typists.receive("r", "mia", 99.0, active=True)
    assert len(typists) == 1
