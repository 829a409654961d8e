"""A whole AMQP 0-9-1 handshake, blocking: the only proof that a broker takes logins."""

import socket
import ssl
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import pamqp.base
import pamqp.commands
import pamqp.exceptions
import pamqp.frame
import pamqp.header

FRAME_END_BYTES = 8
SECONDS = 5.0

Method = TypeVar("Method", bound=pamqp.base.Frame)


class HandshakeRefused(Exception):
    """The broker answered, but not with the method expected; its own words are in the text."""


def broker_answers(amqp_url: str) -> bool:
    """Log in, open the virtual host, close: False when any step fails."""
    try:
        shake_hands(amqp_url)
    except (OSError, HandshakeRefused, pamqp.exceptions.PAMQPException):
        return False
    return True


def shake_hands(amqp_url: str, within_seconds: float = SECONDS) -> None:
    """Raises OSError when nobody listens, HandshakeRefused when the login or the virtual host is refused."""
    parts = urlsplit(amqp_url)
    host, tls = parts.hostname or "localhost", parts.scheme == "amqps"
    vhost = unquote(parts.path[1:]) or "/"
    user, password = unquote(parts.username or "guest"), unquote(parts.password or "guest")
    with socket.create_connection((host, parts.port or (5671 if tls else 5672)), within_seconds) as plain:
        wire = ssl.create_default_context().wrap_socket(plain, server_hostname=host) if tls else plain
        wire.settimeout(within_seconds)
        wire.sendall(pamqp.header.ProtocolHeader().marshal())
        _receive(wire, pamqp.commands.Connection.Start)
        _send(wire, pamqp.commands.Connection.StartOk({}, "PLAIN", f"\0{user}\0{password}", "en_US"))
        tune = _receive(wire, pamqp.commands.Connection.Tune)
        _send(wire, pamqp.commands.Connection.TuneOk(tune.channel_max, tune.frame_max, 0))
        _send(wire, pamqp.commands.Connection.Open(vhost))
        _receive(wire, pamqp.commands.Connection.OpenOk)
        _send(wire, pamqp.commands.Connection.Close(200, "checked", 0, 0))
        _receive(wire, pamqp.commands.Connection.CloseOk)


def _send(wire: socket.socket, method: pamqp.base.Frame) -> None:
    wire.sendall(pamqp.frame.marshal(method, 0))


def _receive(wire: socket.socket, expected: type[Method]) -> Method:
    head = _read(wire, FRAME_END_BYTES - 1)
    size = int.from_bytes(head[3:7], "big")
    answer = pamqp.frame.unmarshal(head + _read(wire, size + 1))[2]
    if not isinstance(answer, expected):
        raise HandshakeRefused(f"{expected.__name__} was expected, the broker said {answer!r}")
    return answer


def _read(wire: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = wire.recv(count - len(data))
        if not more:
            raise HandshakeRefused("the broker closed the connection (wrong user, password or not AMQP)")
        data += more
    return data
