"""Where gates and secrets come from."""

from datetime import UTC, datetime

import jwt
import pytest

from clients.cli.endpoints import find_endpoints, socket_url
from clients.cli.failure import Failure

SECRET = "s" * 32


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in ("HTTP", "GATES", "JWT_SECRET"):
        monkeypatch.delenv(f"GATEHOUSE_{name}", raising=False)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / ".run").mkdir()
    (tmp_path / ".run" / "endpoints.env").write_text(
        f"GATEHOUSE_HTTP=http://a:1\nGATEHOUSE_GATES=http://a:1,http://b:2\nGATEHOUSE_JWT_SECRET={SECRET}\n"
        "GATEHOUSE_PIDS_GATEWAY=1,2\n"
    )
    return tmp_path


def test_the_file_of_a_local_stack_is_found_from_below(folder):
    below = folder / "deep" / "down"
    below.mkdir(parents=True)
    assert find_endpoints(below).gate_urls() == ("http://a:1", "http://b:2")


def test_the_environment_goes_before_the_file(folder, monkeypatch):
    monkeypatch.setenv("GATEHOUSE_HTTP", "http://c:3/")
    assert find_endpoints(folder).gate_urls()[0] == "http://c:3"


def test_a_token_names_its_user_and_its_end(folder):
    now = datetime.now(UTC).replace(microsecond=0)
    claims = jwt.decode(find_endpoints(folder).sign_token("alice", now, 2.0), SECRET, algorithms=["HS256"])
    assert claims == {"sub": "alice", "iat": now.timestamp(), "exp": now.timestamp() + 7200}


def test_without_a_secret_or_a_gate_a_sentence_says_what_to_do(folder, monkeypatch):
    monkeypatch.setenv("GATEHOUSE_JWT_SECRET", "")
    monkeypatch.setenv("GATEHOUSE_HTTP", "")
    monkeypatch.setenv("GATEHOUSE_GATES", "")
    endpoints = find_endpoints(folder)
    with pytest.raises(Failure, match="GATEHOUSE_JWT_SECRET"):
        endpoints.sign_token("alice", datetime.now(UTC), 1)
    with pytest.raises(Failure, match="--gate"):
        endpoints.gate_urls()


def test_the_door_of_a_gate():
    assert socket_url("http://h:8080") == "ws://h:8080/ws"
    assert socket_url("https://h/") == "wss://h/ws"
    with pytest.raises(Failure):
        socket_url("h:8080")
