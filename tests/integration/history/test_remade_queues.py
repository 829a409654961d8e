"""A queue that is taken away from a living worker: it makes it again and stands in line, without a restart.

Not tested is a queue that somebody else declares again in the same moment: RabbitMQ before 4.0 then moves the consumer
to the new one without a word and loses its deliveries, and nothing a client can look at tells of it.
"""

import pytest

from schemas import routes
from services.runtime.broker import connect, open_channel
from tests.bed.waiting import eventually
from tests.contract.chronicle import Chronicle

pytestmark = [pytest.mark.broker, pytest.mark.store]


@pytest.fixture
async def operator(amqp_url):
    """A channel of somebody who may do anything."""
    connection = await connect(amqp_url, "operator", timeout_seconds=10)
    yield await open_channel(connection, confirms=True)
    await connection.close()


def consumers(management, queue):
    return queue in management.queue_names() and management.queue(queue).get("consumers", 0)


async def test_a_shard_whose_queue_was_deleted_goes_on(start_history, log_side, stored, operator, management):
    story, queue = Chronicle(), routes.history_queue(routes.shard_of("general", 2))
    await start_history()
    await log_side.log([story.created()])
    await eventually(lambda: stored() == [1], 30)
    await operator.queue_delete(queue)
    await eventually(lambda: consumers(management, queue), 30, "the queue is there again, with its consumer")
    await log_side.log(story.chat(3))
    await eventually(lambda: stored() == [1, 2, 3, 4], 30)
