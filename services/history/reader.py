"""The door for reads: `history.queries`, competing with every other history worker, many reads at a time."""

from __future__ import annotations

from typing import Final, cast

import aiormq
import structlog
from faststream import AckPolicy
from faststream.rabbit import Channel, ExchangeType, RabbitBroker, RabbitExchange, RabbitQueue
from faststream.rabbit.annotations import RabbitMessage
from faststream.rabbit.response import RabbitResponse
from faststream.rabbit.schemas.queue import ClassicQueueArgs
from faststream.rabbit.subscriber import RabbitSubscriber
from pydantic import ValidationError

from schemas import routes, topology
from schemas.answers import Refused
from schemas.errors import Code
from schemas.queries import QUERY, Query, QueryAnswer
from services.history.discretion import complaint, without_words
from services.history.metrics import HistoryMetrics
from services.history.queries import Queries
from services.history.store import StoreUnavailable
from services.runtime.control import raw_body

log = structlog.get_logger()

QUERIES_EXCHANGE: Final = RabbitExchange(routes.QUERIES, type=ExchangeType.DIRECT, durable=True)
[_DECLARED] = (queue for queue in topology.queues(shards=1) if queue.name == routes.QUERIES_QUEUE)


def queries_queue(*, declares: bool) -> RabbitQueue:
    """Where questions wait; who does not declare it finds it declared and bound."""
    return RabbitQueue(
        _DECLARED.name,
        durable=True,
        declare=declares,
        routing_key=routes.HISTORY_KEY,
        arguments=cast("ClassicQueueArgs", _DECLARED.arguments),  # FastStream names its own table type
    )


class Reader:
    """Every query gets an answer, if only a refusal; a delivery is acked behind it, so that prefetch bounds the reads
    in progress. A read that dies with its worker is read again by another: that changes nothing."""

    def __init__(self, queries: Queries, metrics: HistoryMetrics) -> None:
        self._queries = queries
        self._metrics = metrics
        self._subscriber: RabbitSubscriber | None = None

    def subscribe(self, broker: RabbitBroker, *, at_once: int, declares: bool = True) -> None:
        """Serve reads on this broker once it starts, `at_once` of them in progress."""
        self._subscriber = subscriber = broker.subscriber(
            queries_queue(declares=declares),
            QUERIES_EXCHANGE,
            channel=Channel(prefetch_count=at_once),
            ack_policy=AckPolicy.ACK,
            decoder=raw_body,
        )

        @subscriber
        async def read(message: RabbitMessage) -> RabbitResponse:
            answer = await self.answer(message.body)
            return RabbitResponse(answer.to_json(), content_type="application/json", mandatory=False)

    async def is_consuming(self) -> bool:
        """Whether our consumer stands at the queue, as far as the driver knows: it is there from the broker's word
        that it consumes to the broker's word that it is cancelled, or to the end of its channel.

        Raises:
            AMQPError: the channel is not open.
        """
        # FastStream offers no other way to its consumer, and its ping answers before consumers are restored.
        queue = self._subscriber._queue_obj if self._subscriber is not None else None  # noqa: SLF001
        if queue is None or self._subscriber is None:
            return False
        channel = await queue.channel.get_underlay_channel()
        if not isinstance(channel, aiormq.Channel) or channel.is_closed:
            return False
        return self._subscriber._consumer_tag in channel.consumers  # noqa: SLF001

    async def answer(self, body: bytes) -> QueryAnswer:
        """The answer to a query as it came. Never raises."""
        try:
            query = QUERY.validate_json(body)
        except ValidationError as error:
            self._metrics.queries.labels("malformed", Code.BAD_FIELD.value).inc()
            return Refused.of(Code.BAD_FIELD, complaint(error))
        answer = await self._answer(query)
        outcome = answer.code.value if isinstance(answer, Refused) else "answered"
        self._metrics.queries.labels(query.type, outcome).inc()
        return answer

    async def _answer(self, query: Query) -> QueryAnswer:
        try:
            return await self._queries.answer(query)
        except StoreUnavailable as error:
            self._metrics.store_failures.inc()
            log.warning("read_without_store", type=query.type, error=str(error))
            return Refused.of(Code.OVERLOADED)
        except Exception as error:
            log.exception("read_failed", type=query.type, exc_info=without_words(error))
            return Refused.of(Code.INTERNAL)
