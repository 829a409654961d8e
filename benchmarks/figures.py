"""What our own workers have counted, as their `/metrics` say it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

POLL_SECONDS = 0.1

Counted = dict[str, float]
"""`name{label="value"}`, labels by their names, and its value; what was never counted under a label is not there."""


async def read_counters(address: str) -> Counted:
    """All of a worker's figures, `address` being where its `/metrics` are."""
    return counted_in(await asyncio.to_thread(_text, address))


def counted_in(text: str) -> Counted:
    """All figures of a page of metrics."""
    families = text_string_to_metric_families(text)
    return {_name(sample.name, sample.labels): sample.value for family in families for sample in family.samples}


async def counters_when(address: str, is_so: Callable[[Counted], bool], *, within_seconds: float = 30) -> Counted:
    """The figures as soon as they are as wanted.

    Raises:
        TimeoutError: they never are.
    """
    until = time.monotonic() + within_seconds
    while not is_so(counted := await read_counters(address)):
        if time.monotonic() > until:
            raise TimeoutError(f"{address} does not count what is waited for")
        await asyncio.sleep(POLL_SECONDS)
    return counted


def total(counted: Counted, name: str) -> float:
    """One figure over all of its labels."""
    return sum(value for key, value in counted.items() if key.partition("{")[0] == name)


def _text(address: str) -> str:
    with urlopen(f"{address}/metrics", timeout=10) as response:  # noqa: S310 - a worker of ours
        return str(response.read(), "utf-8")


def _name(name: str, labels: dict[str, str]) -> str:
    told = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return f"{name}{{{told}}}" if told else name
