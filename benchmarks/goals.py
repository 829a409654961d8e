"""The goals as data: what is wanted of which figure, and how it is read from the samples. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from benchmarks.sample import LIMIT, OURS, SOCKETIO, Case, Series

TOLERANCE: Final = 0.005
"""Of counts of broker messages: half a percent is what a counter read too early would still hide."""

Measured = Mapping[str, Series]
"""The samples there are, by scenario."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Medians of ours, the peer and the limit, None where one takes no part; `ratio` is ours over `against`."""

    reached: bool
    ours: float
    peer: float | None = None
    limit: float | None = None
    ratios: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Goal:
    """One line of the table. `read` says None when what it needs was not measured."""

    what: str
    goal: str
    unit: str
    read: Callable[[Measured], Reading | None]


@dataclass(frozen=True, slots=True)
class Bound:
    """Ours must be at most (`most`) or at least (`least`) so many times another contender's figure."""

    than: str
    most: float | None = None
    least: float | None = None

    def holds(self, ratio: float) -> bool:
        """Whether ours over the other's is as wanted."""
        return (self.most is None or ratio <= self.most) and (self.least is None or ratio >= self.least)


def against(measured: Measured, scenario: str, value: str, case: Case, bounds: Sequence[Bound]) -> Reading | None:
    """One figure of ours in one case, held against others' in the same."""
    series = measured.get(scenario)
    if series is None or (ours := series.middle(OURS, value, case)) is None:
        return None
    others = {bound.than: series.middle(bound.than, value, case) for bound in bounds}
    if any(not other for other in others.values()):
        return None
    ratios = {name: ours / other for name, other in others.items() if other}
    return Reading(
        reached=all(bound.holds(ratios[bound.than]) for bound in bounds),
        ours=ours,
        peer=others.get(SOCKETIO),
        limit=others.get(LIMIT),
        ratios=tuple((ratio, name) for name, ratio in ratios.items()),
    )


def worst_against(measured: Measured, scenario: str, value: str, bound: Bound) -> Reading | None:
    """The same in the case in which ours looks worst; every case of ours must have been measured of the other too."""
    series = measured.get(scenario)
    cases = series.cases(OURS) if series else []
    readings = [against(measured, scenario, value, case, [bound]) for case in cases]
    known = [reading for reading in readings if reading is not None]
    if not known or len(known) < len(readings):
        return None
    worst = max if bound.most is not None else min
    return worst(known, key=lambda reading: reading.ratios[0][0])


def at_most(measured: Measured, scenario: str, value: str, case: Case, most: float) -> Reading | None:
    """One figure of ours that must not be above a number."""
    series = measured.get(scenario)
    ours = series.middle(OURS, value, case) if series else None
    return None if ours is None else Reading(ours <= most, ours)


def at_least(measured: Measured, scenario: str, value: str, case: Case, least: float) -> Reading | None:
    """One figure of ours that must not be below a number."""
    series = measured.get(scenario)
    ours = series.middle(OURS, value, case) if series else None
    return None if ours is None else Reading(ours >= least, ours)


def latency(measured: Measured, value: str, most_ms: float) -> Reading | None:
    """A latency at 200 messages a second: below a number, and below the peer's."""
    case: Case = {"rate": 200}
    held = against(measured, "end_to_end", value, case, [Bound(SOCKETIO, most=1)])
    if held is None:
        return None
    limit = measured["end_to_end"].middle(LIMIT, value, case)
    return Reading(held.ours <= most_ms and held.reached, held.ours, held.peer, limit, held.ratios)


def levelled(measured: Measured, mode: str) -> Reading | None:
    """The cost of a delivery to 5,000 clients over that to 500."""
    series = measured.get("fanout")
    if series is None:
        return None
    many = series.middle(OURS, "cpu_us_per_delivery", {"clients": 5_000, "mode": mode})
    fewer = series.middle(OURS, "cpu_us_per_delivery", {"clients": 500, "mode": mode})
    if many is None or not fewer:
        return None
    return Reading(many <= 1.2 * fewer, many, ratios=((many / fewer, "at 500"),))


def broker_messages(measured: Measured) -> Reading | None:
    """Broker messages of a chat message over what they may be, at the point of all curves that is furthest off."""
    series = measured.get("growth")
    if series is None or not _has_curves(series, "clients", "gates", "rooms", "members"):
        return None
    points = {
        found / _messages_wanted(case): found
        for case in series.cases(OURS)
        if (found := series.middle(OURS, "broker_messages_per_message", case)) is not None
    }
    worst = max(points, key=lambda ratio: abs(ratio - 1))
    return Reading(abs(worst - 1) <= TOLERANCE, points[worst], ratios=((worst, "wanted"),))


def _has_curves(series: Series, *names: str) -> bool:
    """Each of these curves has two points or more."""
    sizes = [case["curve"] for case in series.cases(OURS)]
    return all(sizes.count(name) > 1 for name in names)


def _messages_wanted(case: Case) -> int:
    """One for each gate with a session, one for the log."""
    return (int(case["size"]) if case["curve"] == "gates" else 1) + 1


def constant_bindings(measured: Measured) -> Reading | None:
    """The most bindings over the fewest, over all curves but that of the gates."""
    series = measured.get("growth")
    curves = ("clients", "rooms", "members")
    if series is None or not _has_curves(series, *curves):
        return None
    spans = (series.spread(OURS, "bindings", {"curve": curve}) for curve in curves)
    counts = [count for span in spans if span is not None for count in span]
    return Reading(max(counts) == min(counts), max(counts), ratios=((max(counts) / min(counts), "fewest"),))


def storm_reads(measured: Measured) -> Reading | None:
    """The most replays that a resume storm took from history although the ring covered it."""
    series = measured.get("resume_storm")
    span = series.spread(OURS, "history_replays", {"clients": 2_000}) if series else None
    return None if span is None else Reading(span[1] == 0, span[1])


STEADY: Final[Case] = {"clients": 1_000, "mode": "steady"}
BURST: Final[Case] = {"clients": 1_000, "mode": "burst"}

GOALS: Final = (
    Goal(
        "fan-out, 1,000 clients, 20 messages/s: processor time of a delivery",
        "<= 1.15 x limit, <= 1/5 of python-socketio",
        "us",
        partial(
            against,
            scenario="fanout",
            value="cpu_us_per_delivery",
            case=STEADY,
            bounds=(Bound(LIMIT, most=1.15), Bound(SOCKETIO, most=0.2)),
        ),
    ),
    Goal(
        "fan-out, 1,000 clients, as fast as it goes: deliveries",
        ">= 2 x limit, >= 20 x python-socketio",
        "/s",
        partial(
            against,
            scenario="fanout",
            value="deliveries_per_second",
            case=BURST,
            bounds=(Bound(LIMIT, least=2), Bound(SOCKETIO, least=20)),
        ),
    ),
    Goal(
        "fan-out, 5,000 clients, 20 messages/s: processor time of a delivery",
        "<= 1.2 x that at 500",
        "us",
        partial(levelled, mode="steady"),
    ),
    Goal(
        "fan-out, 5,000 clients, as fast as it goes: processor time of a delivery",
        "<= 1.2 x that at 500",
        "us",
        partial(levelled, mode="burst"),
    ),
    Goal(
        "an idle attached connection: the gate's memory",
        "<= 12 KiB",
        "KiB",
        partial(at_most, scenario="idle", value="rss_kib_per_client", case={"clients": 5_000, "rooms": 1}, most=12),
    ),
    Goal(
        "end to end, 200 messages/s to 100 clients: median",
        "<= 5 ms, below python-socketio",
        "ms",
        partial(latency, value="delivery_p50_ms", most_ms=5),
    ),
    Goal(
        "end to end, 200 messages/s to 100 clients: 99th percentile",
        "<= 15 ms, below python-socketio",
        "ms",
        partial(latency, value="delivery_p99_ms", most_ms=15),
    ),
    Goal(
        "room worker: processor time of a send, worst case",
        "<= 1.5 x limit",
        "us",
        partial(worst_against, scenario="room_worker", value="cpu_us_per_send", bound=Bound(LIMIT, most=1.5)),
    ),
    Goal(
        "history writer: events, worst case",
        ">= 0.6 x limit",
        "/s",
        partial(worst_against, scenario="history_writer", value="events_per_second", bound=Bound(LIMIT, least=0.6)),
    ),
    Goal(
        "attaches to one room on one gate",
        ">= 3,000/s",
        "/s",
        partial(at_least, scenario="attaches", value="attaches_per_second", case={}, least=3_000),
    ),
    Goal(
        "2,000 clients come back at once: until all are level",
        "<= 2 s",
        "s",
        partial(
            at_most, scenario="resume_storm", value="seconds_to_level", case={"clients": 2_000, "rooms": 1}, most=2
        ),
    ),
    Goal("2,000 clients come back, the ring covers it: replays from history", "0", "", storm_reads),
    Goal(
        "broker messages of a chat message, at any number of clients, gates, rooms, members",
        "gates with a session + 1",
        "",
        broker_messages,
    ),
    Goal("bindings, whatever clients, rooms, members", "constant", "", constant_bindings),
)
