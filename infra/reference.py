"""The reference pages of the documentation that follow from the services: every setting and every metric."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from pydantic.fields import FieldInfo

from services.gateway.metrics import Metrics
from services.gateway.settings import GatewaySettings
from services.history.metrics import HistoryMetrics
from services.history.settings import HistorySettings
from services.room.metrics import RoomMetrics
from services.room.settings import RoomSettings
from services.runtime.settings import ServiceSettings

GENERATED: Final = "<!-- Written by `python -m infra.generate` from the code. Edits are lost. -->"
SERVICES: Final[dict[str, type[ServiceSettings]]] = {
    "room": RoomSettings,
    "history": HistorySettings,
    "gateway": GatewaySettings,
}
_NAMES: Final = re.compile(r"^    (\w+(?:, \w+)*): (.*)$")


def settings_page() -> str:
    """The whole of docs/settings.md."""
    own = (line for title, settings in SERVICES.items() for line in _settings_table(title, settings))
    return "\n".join(
        (
            "# Settings",
            "",
            GENERATED,
            "",
            "Every service reads environment variables once, at its start, and refuses to start with a bad value.",
            "Nothing else reads the environment. Seconds may have fractions.",
            "",
            *_settings_table("every service", ServiceSettings),
            *own,
        )
    )


def metrics_page() -> str:
    """The whole of docs/metrics.md."""
    registry = CollectorRegistry()
    tables = {"room": RoomMetrics(registry), "history": HistoryMetrics(registry), "gateway": Metrics()}
    return "\n".join(
        (
            "# Metrics",
            "",
            GENERATED,
            "",
            "Served at `/metrics` in the text format of Prometheus, where counters end in `_total`. Labels are closed",
            "sets: no room, user, client or gate is ever one.",
            "",
            *(line for title, metrics in tables.items() for line in _metrics_table(title, vars(metrics))),
        )
    )


def _settings_table(title: str, settings: type[ServiceSettings]) -> Iterator[str]:
    told = _attributes(settings)
    shared = ServiceSettings.model_fields if settings is not ServiceSettings else {}
    yield from (f"## {title.capitalize()}", "", "| variable | default | what it is |", "|---|---|---|")
    for name, field in settings.model_fields.items():
        if name not in shared or shared[name].default != field.default:
            meaning = told.get(name) or _attributes(ServiceSettings).get(name, "")
            yield f"| `GATEHOUSE_{name.upper()}` | {_default(field)} | {meaning} |"
    yield ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "*required*"
    return "" if field.default is None else f"`{field.default}`"


def _attributes(settings: type[ServiceSettings]) -> dict[str, str]:
    """What the docstring's `Attributes:` say, by name; names that share a line share its words."""
    told: dict[str, str] = {}
    names: list[str] = []
    for line in (inspect.getdoc(settings) or "").partition("Attributes:\n")[2].splitlines():
        if found := _NAMES.match(line):
            names = found[1].split(", ")
            told |= dict.fromkeys(names, found[2])
        else:
            told |= {name: f"{told[name]} {line.strip()}".rstrip() for name in names}
    return told


def _metrics_table(title: str, metrics: dict[str, object]) -> Iterator[str]:
    yield from (f"## {title.capitalize()}", "", "| metric | type | labels | what it counts |", "|---|---|---|---|")
    for metric in metrics.values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            labels = ", ".join(f"`{label}`" for label in metric._labelnames)  # noqa: SLF001 - it tells them no other way
            yield f"| `{family.name}` | {family.type} | {labels} | {family.documentation} |"
    yield ""
