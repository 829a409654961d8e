"""The compose file carries no secret and explains every variable it wants."""

import json
import os
import re
import shutil
import subprocess

import pytest

from infra.local.workers import PROJECT

COMPOSE = PROJECT / "infra" / "compose.yaml"
SECRETS = ("GATEHOUSE_JWT_SECRET", "GATEHOUSE_BROKER_PASSWORD")
VARIABLE = re.compile(r"\$\{(\w+)(:[-?][^}]*)?\}")
TRIAL = dict.fromkeys(SECRETS, "0123456789abcdef0123456789abcdef")


def test_secrets_are_required_and_have_no_default():
    uses = [match.groups() for match in VARIABLE.finditer(COMPOSE.read_text())]
    assert {name for name, default in uses if default.startswith(":?")} == set(SECRETS)


def test_the_example_names_every_variable():
    named = set(re.findall(r"^#? ?(GATEHOUSE_\w+)=", (PROJECT / "infra" / ".env.example").read_text(), re.MULTILINE))
    wanted = {name for name, _ in VARIABLE.findall(COMPOSE.read_text())} - {"GATEHOUSE_IMAGE"}
    assert wanted == named


def test_the_example_holds_no_secret():
    lines = (PROJECT / "infra" / ".env.example").read_text().splitlines()
    assert all(f"{name}=" in lines for name in SECRETS)


def compose(*arguments, environment):
    return subprocess.run(
        ["docker", "compose", "-f", str(COMPOSE), *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.fixture
def compose_plugin():
    if shutil.which("docker") is None or compose("version", environment={}).returncode != 0:
        pytest.skip("no compose plugin here")


def test_compose_refuses_to_start_without_the_secrets(compose_plugin):
    answer = compose("config", "--quiet", environment={})
    assert answer.returncode != 0
    assert "set it in infra/.env" in answer.stderr


def test_compose_resolves_the_file(compose_plugin):
    answer = compose("config", "--format", "json", environment=TRIAL)
    assert answer.returncode == 0, answer.stderr
    services = json.loads(answer.stdout)["services"]
    assert set(services) == {"rabbitmq", "mongodb", "room", "history", "gateway-1", "gateway-2"}
    assert all(service["restart"] == "unless-stopped" for service in services.values())
    assert all(port["host_ip"] == "127.0.0.1" for service in services.values() for port in service.get("ports", []))
