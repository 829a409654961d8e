"""Who may do what at the broker: a row for each kind of login. The table in docs/amqp.md and the definitions that an
operator loads into RabbitMQ are both written from here.

`python -m infra.rights robot=producer audit=reader` prints definitions that grant these logins their rows, for
`rabbitmqctl import_definitions`. Those of Gatehouse itself are committed: infra/rabbitmq/definitions.json.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from infra.marks import between_marks
from schemas import routes, topology
from schemas.ids import ROOM_ID_PATTERN, GateId

BEGIN: Final = "<!-- permissions: written by `python -m infra.generate` from infra/rights.py. Edits are lost. -->"
END: Final = "<!-- permissions: end -->"
OWN: Final = "<own>"
"""Stands for the login in the names of its queues."""
OWN_QUEUES: Final = rf"{OWN}\.[^.]+"
"""The last dot of such a name parts it: whatever logins there are, it is of one of them."""
NOTHING: Final = "^$"
ANY_ROOM: Final = r"[^.]+"
HELP: Final = "KIND is one of %s; `producer:ROOM` speaks in that room alone; with commas between them kinds add up"
BROKERS_OWN: Final = "amq."
OUR_WORDS: Final = frozenset(
    name.partition(".")[0]
    for name in (
        *(exchange.name for exchange in topology.EXCHANGES),
        *(queue.name for queue in topology.queues(1)),
        *(routes.gate_queue(GateId("")), routes.control_queue(""), BROKERS_OWN),
    )
)
"""The first words of all names that Gatehouse and the broker itself give to exchanges and queues."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The routing keys that may be written to an exchange, or bound to it."""

    exchange: str
    write: str = NOTHING
    read: str = NOTHING


@dataclass(frozen=True, slots=True)
class Right:
    """What a kind of login is granted, as RabbitMQ's own patterns; `told` ends "a program that ..."."""

    told: str
    configure: str
    write: str
    read: str
    keys: tuple[Keys, ...] = ()


def _bucketed(room: str, verb: str) -> str:
    return rf"^room\.[0-9]{{2}}\.{room}\.{verb}$"


def _private(kinds: str, worker: str) -> str:
    """The queues of one process, which have its name; some are rebuilt under a number."""
    return rf"{kinds}\.{worker}[0-9a-f]+(\.[0-9]+)?"


def _producer(room: str, told: str) -> Right:
    keys = Keys(routes.INBOX, write=rf"^room\.{room}\.")
    return Right(told, f"^{OWN_QUEUES}$", r"^chat\.inbox$", f"^{OWN_QUEUES}$", (keys,))


_OF_GATES: Final = _private("(control|gate)", "g")
_OF_ROOMS: Final = _private("control", "room-")
_OF_HISTORIES: Final = _private("control", "history-")

RIGHTS: Final[Mapping[str, Right]] = {
    "producer": _producer(ANY_ROOM, "speaks for itself (way 1)"),
    "producer:general": _producer("general", "speaks in one room only"),
    "trusted": Right(
        "speaks for others (way 2)",
        f"^{OWN_QUEUES}$",
        r"^chat\.commands$",
        f"^{OWN_QUEUES}$",
        (Keys(routes.COMMANDS, write=_bucketed(ANY_ROOM, "(?!(attach|detach|inspect)$)[a-z_]+")),),
    ),
    "reader": Right(
        "reads the log (way 3)",
        f"^{OWN_QUEUES}$",
        f"^{OWN_QUEUES}$",
        rf"^(chat\.log|{OWN_QUEUES})$",
        (Keys(routes.LOG, read=r"^room\."),),
    ),
    "operator": Right(
        "is an operator's (`gatehouse room`, `shards`, `parked`)",
        r"^control\.operator-",
        r"^(chat\.(commands|control)|control\.operator-.*)$",
        r"^(chat\.(control|parked)|control\.operator-.*)$",
        (Keys(routes.COMMANDS, write=r"\.inspect$"),),
    ),
    "replayer": Right(
        "replays besides (`gatehouse parked replay`)",
        NOTHING,
        r"^chat\.(commands|log)$",
        r"^chat\.parked$",
        (Keys(routes.COMMANDS, write=r"^room\."), Keys(routes.LOG, write=r"^room\.")),
    ),
    "gateway": Right(
        "is a gateway",
        f"^{_OF_GATES}$",
        rf"^(amq\.default|chat\.(commands|control|fanout|log|parked|queries)|{_OF_GATES})$",
        rf"^(gateway\.inbox|chat\.(control|fanout)|{_OF_GATES})$",
        (
            Keys(routes.COMMANDS, write=_bucketed(ANY_ROOM, "(?!inspect$)[a-z_]+")),
            Keys(routes.FANOUT, write=r"^gate\.[^.]+$", read=r"^gate\.[^.]+$"),
            Keys(routes.LOG, write=r"^query\.[0-9]{2}\.[^.]+$"),
        ),
    ),
    "room": Right(
        "is a room worker",
        f"^{_OF_ROOMS}$",
        rf"^(amq\.default|chat\.(commands|control|fanout|log|parked)|{_OF_ROOMS})$",
        rf"^(room\.shard\.[0-9]+|chat\.control|{_OF_ROOMS})$",
        (
            Keys(routes.COMMANDS, write=r"^room\.[0-9]{2}\.census$"),
            Keys(routes.FANOUT, write=r"^gate\.[^.]+$"),
            Keys(routes.LOG, write=r"^(room\.[0-9]{2}\.[^.]+\.[a-z_]+|query\.[0-9]{2}\.[^.]+)$"),
        ),
    ),
    "history": Right(
        "is a history worker",
        f"^{_OF_HISTORIES}$",
        rf"^(amq\.default|chat\.parked|{_OF_HISTORIES})$",
        rf"^(history\.(shard\.[0-9]+|queries)|chat\.control|{_OF_HISTORIES})$",
    ),
    "everything": Right("is all of Gatehouse under one login, and declares what it needs", ".*", ".*", ".*"),
}
"""By kind. The services' own rows are enough where an operator has loaded the definitions, and `GATEHOUSE_DECLARES` is
off: who may declare a queue may also delete it."""

OWN_LOGINS: Final = {f"gatehouse-{kind}": kind for kind in ("gateway", "room", "history", "operator")}
"""The logins in the committed definitions."""


def right_of(kinds: str) -> Right:
    """What some kinds, with commas between them, are granted together.

    Raises:
        ValueError: one of them is none.
    """
    rights = [_right_of(kind) for kind in kinds.split(",")]
    exchanges = {keys.exchange for right in rights for keys in right.keys}
    return Right(
        " and ".join(right.told for right in rights),
        _either(right.configure for right in rights),
        _either(right.write for right in rights),
        _either(right.read for right in rights),
        tuple(_together(exchange, rights) for exchange in sorted(exchanges)),
    )


def definitions(
    logins: Mapping[str, str], *, vhost: str = "/", shards: int | None = None
) -> dict[str, Any]:  # Any: a JSON document
    """Definitions that grant each login its kinds; with `shards` also every durable exchange and queue. Logins
    themselves, and so passwords, are never in there.

    Raises:
        ValueError: a kind, or the number of shards, is none, or a login's own queues could not be told from ours.
    """
    rights = {login: _right_for(login, kinds) for login, kinds in logins.items()}
    granted = [_permission(login, right, vhost) for login, right in rights.items()]
    keys = [_topic_permission(login, each, vhost) for login, right in rights.items() for each in right.keys]
    return (_places(vhost, shards) if shards else {}) | {"permissions": granted, "topic_permissions": keys}


def own_definitions() -> dict[str, Any]:  # Any: a JSON document
    """What is committed as infra/rabbitmq/definitions.json."""
    return definitions(OWN_LOGINS, shards=routes.DEFAULT_SHARDS)


def with_permissions(page: str) -> str:
    """The page with the table between its two marks made anew.

    Raises:
        ValueError: the page has no such marks.
    """
    return between_marks(page, BEGIN, END, permissions_table())


def permissions_table() -> str:
    """A row for each kind."""
    head = ("| a program that | configure | write | read | topic permission |", "|---|---|---|---|---|")
    return "\n".join((*head, *map(_row, RIGHTS.values())))


def main() -> None:
    """Print the definitions that the arguments ask for."""
    parser = argparse.ArgumentParser(prog="python -m infra.rights", epilog=HELP % ", ".join(RIGHTS))
    parser.add_argument("logins", nargs="*", metavar="LOGIN=KIND")
    parser.add_argument("--own", action="store_true", help="also the services' logins, and all exchanges and queues")
    parser.add_argument("--shards", type=int, default=routes.DEFAULT_SHARDS, help="as GATEHOUSE_SHARDS says")
    parser.add_argument("--vhost", default="/")
    asked = parser.parse_args()
    outside = dict(login.partition("=")[::2] for login in asked.logins)
    logins, shards = (OWN_LOGINS | outside, asked.shards) if asked.own else (outside, None)
    try:
        print(json.dumps(definitions(logins, vhost=asked.vhost, shards=shards), indent=2))
    except ValueError as error:
        parser.error(str(error))


def _right_for(login: str, kinds: str) -> Right:
    right = right_of(kinds)
    if not login:
        raise ValueError("'' is no login")
    word = login.partition(".")[0]
    if word in OUR_WORDS and OWN in right.configure:
        raise ValueError(
            f"{login!r} is no login for {kinds!r}: its own queues begin with {login + '.'!r}, and what begins with "
            f"{word + '.'!r} is Gatehouse's or the broker's; choose another login"
        )
    return right


def _right_of(kind: str) -> Right:
    name, _, room = kind.partition(":")
    if name == "producer" and re.fullmatch(ROOM_ID_PATTERN, room):
        return _producer(room, f"speaks in {room} only")
    if kind not in RIGHTS:
        raise ValueError(f"{kind!r} is no kind of login")
    return RIGHTS[kind]


def _either(patterns: Iterable[str]) -> str:
    """One pattern for several, without those that match nothing."""
    return "|".join(dict.fromkeys(each for each in patterns if each != NOTHING)) or NOTHING


def _together(exchange: str, rights: list[Right]) -> Keys:
    every = [keys for right in rights for keys in right.keys if keys.exchange == exchange]
    return Keys(exchange, _either(keys.write for keys in every), _either(keys.read for keys in every))


def _permission(login: str, right: Right, vhost: str) -> dict[str, str]:
    patterns = {"configure": right.configure, "write": right.write, "read": right.read}
    named = {what: pattern.replace(OWN, re.escape(login)) for what, pattern in patterns.items()}
    return {"user": login, "vhost": vhost, **named}


def _topic_permission(login: str, keys: Keys, vhost: str) -> dict[str, str]:
    return {"user": login, "vhost": vhost, "exchange": keys.exchange, "write": keys.write, "read": keys.read}


def _places(vhost: str, shards: int) -> dict[str, Any]:  # Any: a JSON document
    """The virtual host with all that a service would declare."""
    lasting = {"vhost": vhost, "durable": True, "auto_delete": False}
    queues = topology.queues(shards)
    return {
        "vhosts": [{"name": vhost}],
        "exchanges": [
            {"name": each.name, "type": each.kind, "internal": False, "arguments": {}, **lasting}
            for each in topology.EXCHANGES
        ],
        "queues": [{"name": queue.name, "arguments": dict(queue.arguments), **lasting} for queue in queues],
        "bindings": [
            {"source": binding.exchange, "vhost": vhost, "destination": queue.name, "destination_type": "queue"}
            | {"routing_key": binding.key, "arguments": {}}
            for queue in queues
            for binding in queue.bindings
        ],
    }


def _row(right: Right) -> str:
    patterns = (f"`{_in_a_cell(pattern)}`" for pattern in (right.configure, right.write, right.read))
    return f"| {right.told} | {' | '.join(patterns)} | {_keys_told(right.keys)} |"


def _keys_told(keys: tuple[Keys, ...]) -> str:
    """Exchanges with the same patterns stand together."""
    exchanges: dict[str, list[str]] = {}
    for each in keys:
        exchanges.setdefault(_patterns_told(each), []).append(f"`{each.exchange}`")
    return "; ".join(f"{' and '.join(names)}, {patterns}" for patterns, names in exchanges.items()) or "none"


def _patterns_told(keys: Keys) -> str:
    told = {"write": keys.write, "read": keys.read}
    return ", ".join(f"{what} `{_in_a_cell(pattern)}`" for what, pattern in told.items() if pattern != NOTHING)


def _in_a_cell(pattern: str) -> str:
    return pattern.replace("|", r"\|")


if __name__ == "__main__":
    main()
