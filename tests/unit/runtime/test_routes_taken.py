"""Under which key a delivery came: only what was published to the exchange itself counts."""

import pytest
from aiormq.abc import DeliveredMessage
from pamqp import commands
from pamqp.header import ContentHeader

from schemas import routes
from services.runtime.broker import key_at

KEY = "room.10.general.send"


def delivery(exchange, headers=None, key=KEY):
    deliver = commands.Basic.Deliver("c", 1, False, exchange, key)
    header = ContentHeader(properties=commands.Basic.Properties(headers=headers))
    return DeliveredMessage(deliver, header, b"", None)


@pytest.mark.parametrize("headers", [None, {}, {"x-delivery-count": 3}], ids=["none", "empty", "again"])
def test_what_was_published_to_the_exchange_came_under_its_key(headers):
    assert key_at(routes.COMMANDS, delivery(routes.COMMANDS, headers)) == KEY


@pytest.mark.parametrize("exchange", ["", routes.INBOX, routes.CONTROL, "control.operator-1"])
def test_what_was_published_elsewhere_came_under_no_key(exchange):
    assert key_at(routes.COMMANDS, delivery(exchange)) == ""


@pytest.mark.parametrize("deaths", [[], [{"queue": "control.operator-1"}], None], ids=["no", "one", "null"])
def test_a_dead_letter_came_under_no_key(deaths):
    assert key_at(routes.COMMANDS, delivery(routes.COMMANDS, {"x-death": deaths})) == ""
