"""What a running gate says of itself."""

from __future__ import annotations

import re
from typing import Any

import httpx

SAMPLE = re.compile(r"^(?P<name>\w+)(?:\{(?P<labels>[^}]*)\})? (?P<value>\S+)$", re.MULTILINE)


async def samples(gate: Any, name: str) -> dict[str, float]:
    """One metric of a gate: labels -> value; empty where the gate has no such metric."""
    async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
        page = (await http.get(f"{gate.url}/metrics")).text
    return {found["labels"] or "": float(found["value"]) for found in SAMPLE.finditer(page) if found["name"] == name}


async def summed(gates: Any, name: str) -> dict[str, float]:
    """The same over some gates."""
    total: dict[str, float] = {}
    for gate in gates:
        for labels, value in (await samples(gate, name)).items():
            total[labels] = total.get(labels, 0.0) + value
    return total
