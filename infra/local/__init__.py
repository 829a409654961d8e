"""The stack of one machine: our services with an embedded RabbitMQ node and store, or with the ones you name.

    settings = StackSettings.from_environment(gates=2)
    up(settings) -> Endpoints          start what is missing, return when all is ready, write .run/endpoints.env
    down(settings.folder) -> [names]   stop everything that was started there
    run_foreground(settings)           up, watch and restart until Ctrl-C or SIGTERM, down

All three block. They raise StartFailed, StackBusy, NoFreePort or PackagesUnavailable, whose texts are made to be
printed.
"""

from infra.local.endpoints import Endpoints, read_endpoints
from infra.local.foreground import demo_token, run_foreground
from infra.local.ledger import StackBusy
from infra.local.ports import NoFreePort
from infra.local.settings import StackSettings
from infra.local.stack import StartFailed, down, up
from infra.packages import PackagesUnavailable

__all__ = [
    "Endpoints",
    "NoFreePort",
    "PackagesUnavailable",
    "StackBusy",
    "StackSettings",
    "StartFailed",
    "demo_token",
    "down",
    "read_endpoints",
    "run_foreground",
    "up",
]
