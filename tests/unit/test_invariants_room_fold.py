"""I7 across services: a room's writer and its history make the same of every event, though neither knows the other."""

import pytest

from services.history.fold import fold
from tests.unit.room.given import room_after
from tests.unit.room.test_model import STORIES


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_i7_history_folds_what_the_room_evolves(story):
    state = None
    for end, event in enumerate(story, start=1):
        state = fold(state, event)
        assert state == room_after(*story[:end]).to_state()
