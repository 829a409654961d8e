"""The times of one connection, on a clock of the test's own."""

from schemas.errors import Code
from services.gateway.gate import Gate
from services.gateway.settings import GatewaySettings
from services.gateway.tokens import issue

SECRET = "unit-tests-secret-0123456789-0123456789"


class FakeSocket:
    def __init__(self):
        self.catching_up = False
        self.closed = []
        self.aborted = False

    def write(self, data):
        pass

    def catches_up(self):
        return self.catching_up

    def ping(self):
        pass

    def close(self, code, _):
        self.closed.append(code)

    def abort(self):
        self.aborted = True


def connect():
    settings = GatewaySettings(amqp_url="amqp://x", jwt_secret=SECRET, _env_file=None)
    gate = Gate(settings, clock=lambda: 0.0, wall_clock=lambda: 0.0)
    socket = FakeSocket()
    connection = gate.connect(socket)
    connection.identify(issue("ann", SECRET, now=0, lifetime_seconds=3600))
    return connection, socket


def look(connection, *moments):
    for now in moments:
        connection.check(now, 0.0)


def test_without_a_pong_the_connection_ends():
    connection, socket = connect()
    look(connection, 25, 35)
    assert socket.closed == [4002]


def test_a_client_still_reading_what_waits_for_it_need_not_answer_a_ping():
    connection, socket = connect()
    socket.catching_up = True
    look(connection, 25, 35, 45, 55)
    assert socket.closed == []
    socket.catching_up = False
    look(connection, 65)
    assert socket.closed == [4002]


def test_a_client_that_began_to_close_is_cut_in_time():
    connection, socket = connect()
    connection.begin_closing()
    look(connection, 4.9)
    assert not socket.aborted
    look(connection, 5)
    assert (socket.aborted, socket.closed) == (True, [])


def test_nothing_is_said_after_the_last_word():
    connection, socket = connect()
    said = []
    socket.write = said.append
    connection.receive_drained()
    connection.write(b"before")
    connection.end(Code.DRAINING)
    connection.write(b"after")
    assert said[0] == b"before"
    assert b"after" not in said


def test_the_socket_says_at_a_pause_how_it_is_written_to_meanwhile():
    connection, socket = connect()
    flowing, paused = [], []
    socket.write = flowing.append
    connection.receive_drained()
    connection.write(b"1")
    socket.write = paused.append
    connection.receive_pause()
    connection.write(b"2")
    socket.write = flowing.append
    connection.receive_drained()
    connection.write(b"3")
    assert (flowing, paused) == ([b"1", b"3"], [b"2"])
