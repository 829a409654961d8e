"""The bytes of a publish are those that the driver reads back as what was meant."""

import pytest
from pamqp import commands, encode, frame
from pamqp.body import ContentBody

from services.runtime.frames import Envelope, Frames, encoded_table

PERSISTENT = commands.Basic.Properties(content_type="application/json", delivery_mode=2)


def read(encoded):
    """Every frame with its channel."""
    found = []
    while encoded:
        length, channel, value = frame.unmarshal(encoded)
        found.append((channel, value))
        encoded = encoded[length:]
    return found


def driver_bytes(channel, exchange, key, properties, body, *, mandatory):
    """As the driver itself would write it."""
    method = commands.Basic.Publish(exchange=exchange, routing_key=key, mandatory=mandatory)
    content = frame.header.ContentHeader(properties=properties, body_size=len(body))
    parts = [method, content, *([ContentBody(body)] if body else [])]
    return b"".join(frame.marshal(part, channel) for part in parts)


@pytest.mark.parametrize("body", [b"", b"x", b'{"text":"hi"}'])
@pytest.mark.parametrize("mandatory", [True, False])
def test_a_publish_is_the_drivers_to_the_byte(body, mandatory):
    ours = Frames(3, 100).publish("chat.log", "room.07.a.b", Envelope.of(PERSISTENT), body, mandatory=mandatory)
    assert ours == driver_bytes(3, "chat.log", "room.07.a.b", PERSISTENT, body, mandatory=mandatory)


def test_the_same_key_on_another_channel_or_exchange_is_another_publish():
    envelope = Envelope.of(PERSISTENT)
    for channel, exchange in ((1, "a"), (2, "a"), (1, "b")):
        encoded = Frames(channel, 100).publish(exchange, "key", envelope, b"x", mandatory=False)
        assert encoded == driver_bytes(channel, exchange, "key", PERSISTENT, b"x", mandatory=False)


def test_a_message_id_stands_behind_the_other_properties():
    numbered = commands.Basic.Properties(
        content_type="application/json", delivery_mode=2, correlation_id="c", reply_to="me", message_id="17"
    )
    plain = commands.Basic.Properties(
        content_type="application/json", delivery_mode=2, correlation_id="c", reply_to="me"
    )
    assert Envelope.of(plain).numbered("17") == Envelope.of(numbered)


@pytest.mark.parametrize("behind", [{"message_id": "1"}, {"user_id": "mia"}, {"app_id": "me"}])
def test_nothing_may_stand_behind_a_message_id(behind):
    with pytest.raises(ValueError, match="behind the message id"):
        Envelope.of(commands.Basic.Properties(**behind)).numbered("2")


def test_a_long_body_is_cut():
    [_, (_, content), *bodies] = read(
        Frames(1, 4).publish("", "q", Envelope.of(PERSISTENT), b"123456789", mandatory=False)
    )
    assert content.body_size == 9
    assert [part.value for _, part in bodies] == [b"1234", b"5678", b"9"]


def test_a_table_is_read_back_as_it_was():
    table = {"kind": "event", "room": "général", "seq": 2**40, "few": 3, "BCC": ["gate.a", "gate.b"], "none": ""}
    [_, (_, content)] = read(Frames(1, 100).publish("", "q", Envelope.of_headers(table, 1), b"", mandatory=False))
    assert content.properties.headers == table
    assert content.properties.delivery_mode == 1


def test_a_table_in_order_is_the_drivers_to_the_byte():
    table = {"a": "text", "b": 5, "c": ["x"]}
    assert encoded_table(table) == encode.field_table(table)
