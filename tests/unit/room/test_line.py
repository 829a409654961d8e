"""The order of effects and of acks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.room.line import Ack, AckWindow, Line


def sent(line):
    """Send what may be sent; what it was."""
    effects = line.effects_to_send()
    for _ in effects:
        line.receive_sent()
    return effects


class TestLine:
    def test_i5_nothing_leaves_the_line_before_its_own_confirm(self):
        line = Line()
        entry = line.append("event", confirmed=False)
        assert sent(line) == []
        entry.confirmed = True
        assert sent(line) == ["event"]
        assert len(line) == 0

    def test_i4_a_confirm_that_overtakes_waits_for_those_in_front(self):
        line = Line()
        first, second = line.append("first", confirmed=False), line.append("second", confirmed=False)
        second.confirmed = True
        assert sent(line) == []
        first.confirmed = True
        assert sent(line) == ["first", "second"]

    def test_what_needs_no_log_keeps_its_place_behind_what_does(self):
        line = Line()
        event = line.append("event", confirmed=False)
        line.append("refusal", confirmed=True)
        assert sent(line) == []
        event.confirmed = True
        assert sent(line) == ["event", "refusal"]

    def test_an_entry_keeps_its_place_until_its_effects_are_sent(self):
        line = Line()
        line.append("first", confirmed=True)
        line.append("second", confirmed=True)
        assert line.effects_to_send() == ["first", "second"]
        assert len(line) == 2
        line.receive_sent()
        assert line.effects_to_send() == ["second"]

    def test_what_is_not_confirmed_cannot_have_been_sent(self):
        line = Line()
        line.append("event", confirmed=False)
        with pytest.raises(ValueError, match="nothing in front"):
            line.receive_sent()


class TestAckWindow:
    def test_a_run_from_the_lowest_tag_is_one_ack(self):
        window = opened(3)
        for tag in (1, 2, 3):
            window.settle(tag)
        assert window.acks_to_send() == [Ack(3, multiple=True)]
        assert window.acks_to_send() == []
        assert len(window) == 0

    def test_a_single_delivery_needs_no_multiple(self):
        window = opened(1)
        window.settle(1)
        assert window.acks_to_send() == [Ack(1, multiple=False)]

    def test_behind_a_gap_each_is_acked_for_itself_and_never_again(self):
        window = opened(4)
        window.settle(2)
        window.settle(3)
        assert window.acks_to_send() == [Ack(2, multiple=False), Ack(3, multiple=False)]
        window.settle(4)
        window.settle(1)
        assert window.acks_to_send() == [Ack(4, multiple=True)]

    def test_a_rejected_delivery_is_never_the_tag_of_an_ack(self):
        window = opened(3)
        window.settle(1)
        window.give_up(2)
        assert window.acks_to_send() == [Ack(1, multiple=False)]
        window.give_up(3)
        assert window.acks_to_send() == []
        assert len(window) == 0

    def test_tags_must_grow(self):
        window = opened(2)
        with pytest.raises(ValueError, match="came after"):
            window.receive(2)

    @given(st.permutations(range(1, 12)), st.sets(st.integers(1, 11)), st.sets(st.integers(1, 11)))
    def test_every_delivery_is_acked_exactly_once_and_no_ack_names_one_that_is_settled(self, order, pauses, rejected):
        window, unacked = opened(11), set(range(1, 12))
        for tag in order:
            if tag in rejected:
                window.give_up(tag)
                unacked.discard(tag)
            else:
                window.settle(tag)
            if tag in pauses or tag == order[-1]:
                unsettled = set(order[order.index(tag) + 1 :])
                for ack in window.acks_to_send():
                    assert ack.tag in unacked
                    covered = {each for each in unacked if each <= ack.tag} if ack.multiple else {ack.tag}
                    assert not covered & unsettled
                    unacked -= covered
        assert unacked == set()
        assert len(window) == 0


def opened(count):
    window = AckWindow()
    for tag in range(1, count + 1):
        window.receive(tag)
    return window
