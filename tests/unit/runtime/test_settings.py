"""Settings are judged before anything is connected."""

import pytest
from pydantic import ValidationError

from services.runtime.settings import ServiceSettings

GOOD = {"amqp_url": "amqp://user:secret@localhost:5672/"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amqp_url", ""),
        ("amqp_url", "localhost:5672"),
        ("amqp_url", "http://localhost/"),
        ("amqp_url", "amqp://"),
        ("shards", 0),
        ("shards", 7),
        ("log_level", "loud"),
        ("drain_seconds", 0),
        ("drain_seconds", "soon"),
        ("heartbeat_seconds", 11),
        ("ops_port", 70_000),
    ],
)
def test_a_setting_that_cannot_work_is_refused_at_once(field, value):
    with pytest.raises(ValidationError, match=field):
        ServiceSettings(**(GOOD | {field: value}))


def test_settings_come_from_the_environment_in_any_case_of_the_level(monkeypatch):
    monkeypatch.setenv("GATEHOUSE_AMQP_URL", "amqps://broker/vhost")
    monkeypatch.setenv("GATEHOUSE_LOG_LEVEL", "info")
    monkeypatch.setenv("GATEHOUSE_SHARDS", "16")
    settings = ServiceSettings()
    assert (settings.amqp_url, settings.log_level, settings.shards) == ("amqps://broker/vhost", "INFO", 16)
