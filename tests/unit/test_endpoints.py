"""The file that tells everybody where a stack is reached."""

import stat
from dataclasses import replace

from infra.local.endpoints import (
    Endpoints,
    drop_endpoints,
    endpoints_from_text,
    endpoints_to_text,
    read_endpoints,
    write_endpoints,
)

TWO_GATES = Endpoints(
    gates=("http://127.0.0.1:8080", "http://127.0.0.1:8081"),
    ops_room=("http://127.0.0.1:9101",),
    ops_history=("http://127.0.0.1:9201",),
    amqp_url="amqp://gatehouse:pass=word@127.0.0.1:5682/",
    mongo_url="mongodb://127.0.0.1:27027/gatehouse",
    management_url="http://gatehouse:pass=word@127.0.0.1:15682",
    jwt_secret="secret",
    pids_gateway=(11, 12),
    pids_room=(13,),
    pids_history=(14,),
    pids_broker=(15,),
    pids_store=(16,),
    shared="http://127.0.0.1:8090",
)


def test_lines_are_plain_key_and_value():
    lines = endpoints_to_text(TWO_GATES).splitlines()
    assert "GATEHOUSE_HTTP=http://127.0.0.1:8080" in lines
    assert "GATEHOUSE_GATES=http://127.0.0.1:8080,http://127.0.0.1:8081" in lines
    assert "GATEHOUSE_SHARED=http://127.0.0.1:8090" in lines
    assert "GATEHOUSE_PIDS_GATEWAY=11,12" in lines
    assert "GATEHOUSE_PIDS_BROKER=15" in lines


def test_what_is_written_is_read_again():
    assert endpoints_from_text(endpoints_to_text(TWO_GATES)) == TWO_GATES


def test_clients_go_to_the_shared_address_first_and_to_the_only_gate_where_there_is_none():
    assert TWO_GATES.doors == ("http://127.0.0.1:8090", "http://127.0.0.1:8080", "http://127.0.0.1:8081")
    assert replace(TWO_GATES, shared="", gates=("http://127.0.0.1:8080",)).doors == ("http://127.0.0.1:8080",)


def test_an_outside_broker_has_no_pids():
    outside = Endpoints((), (), (), "amqps://broker/", "mongodb://store/gatehouse", "", "secret")
    text = endpoints_to_text(outside)
    assert "GATEHOUSE_PIDS_BROKER=\n" in text
    assert endpoints_from_text(text) == outside


def test_the_file_is_readable_by_its_owner_only(tmp_path):
    write_endpoints(tmp_path, TWO_GATES)
    assert stat.S_IMODE((tmp_path / "endpoints.env").stat().st_mode) == 0o600
    assert read_endpoints(tmp_path) == TWO_GATES


def test_no_file_means_no_stack(tmp_path):
    write_endpoints(tmp_path, TWO_GATES)
    drop_endpoints(tmp_path)
    assert read_endpoints(tmp_path) is None


def test_a_file_of_before_gates_could_share_a_port_is_read():
    text = "".join(line for line in endpoints_to_text(TWO_GATES).splitlines(keepends=True) if "SHARED" not in line)
    assert endpoints_from_text(text) == replace(TWO_GATES, shared="")
