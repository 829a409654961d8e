"""Pictures of the samples. A file changes only when its figures do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

from benchmarks.goals import Measured
from benchmarks.sample import LIMIT, OURS, SOCKETIO, Case, Series

mpl.use("Agg")
mpl.rcParams.update({"svg.hashsalt": "gatehouse", "svg.fonttype": "none", "axes.grid": True, "grid.alpha": 0.3})

from matplotlib import pyplot as plt  # noqa: E402 - the backend is chosen before
from matplotlib.ticker import NullLocator, StrMethodFormatter  # noqa: E402

COLORS: Final = {
    OURS: "#d1495b",
    LIMIT: "#333333",
    "websockets": "#30638e",
    "ws": "#66a182",
    SOCKETIO: "#edae49",
    "python-socketio-2": "#b07d2b",
}
CURVES: Final = ("clients", "gates", "rooms", "members")
COSTS: Final = {
    "gate_cpu_us_per_delivery": "gate: us of processor time a delivery",
    "room_cpu_us_per_message": "room worker: us of processor time a message",
    "broker_messages_per_message": "broker messages a chat message",
}
A_MESSAGE_EACH: Final = ("gate_cpu_us_per_delivery", "rooms")
"""One session a room: a delivery there is a whole message, and on no scale with the others."""
PLAIN: Final = StrMethodFormatter("{x:,.0f}")
CLOSE: Final = 5
"""Sizes that are no further apart stand on an even axis."""
Axes = Any  # Any: matplotlib is not there where types are checked
Draw = Callable[[Series], Any]  # Any: a figure of matplotlib


def draw(measured: Measured, folder: Path) -> dict[str, list[str]]:
    """Draw what was measured into `folder`; the files' names by scenario."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn: dict[str, list[str]] = {}
    for name, (scenario, picture) in PICTURES.items():
        if scenario in measured:
            figure = picture(measured[scenario])
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")
            plt.close(figure)
            drawn.setdefault(scenario, []).append(f"{folder.name}/{name}.svg")
    return drawn


def fanout_cost(series: Series) -> Any:  # Any: a figure of matplotlib
    """The processor time of a delivery by clients, at a steady rate."""
    figure, axes = plt.subplots(figsize=(8, 4))
    _lines(axes, series, "cpu_us_per_delivery", "clients", {"mode": "steady"})
    axes.set(xlabel="clients", ylabel="us of processor time a delivery", ylim=(0, None), title="20 events a second")
    _legend(axes)
    return figure


def fanout_burst(series: Series) -> Any:  # Any: a figure of matplotlib
    """Deliveries a second by clients, as fast as it goes."""
    figure, axes = plt.subplots(figsize=(8, 4))
    _lines(axes, series, "deliveries_per_second", "clients", {"mode": "burst"})
    axes.set(xlabel="clients", ylabel="deliveries a second", ylim=(0, None), title="as fast as it goes")
    axes.yaxis.set_major_formatter(PLAIN)
    _legend(axes)
    return figure


def latency(series: Series) -> Any:  # Any: a figure of matplotlib
    """Median and 99th percentile by rate."""
    figure, both = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
    for axes, value, title in zip(both, ("p50", "p99"), ("median", "99th percentile"), strict=True):
        _lines(axes, series, f"delivery_{value}_ms", "rate", {})
        axes.set(yscale="log", xlabel="messages a second", title=title)
        axes.yaxis.set_major_formatter(PLAIN)
    both[0].set_ylabel("ms to the client")
    _legend(both[1])
    return figure


def growth(series: Series) -> Any:  # Any: a figure of matplotlib
    """A row for each cost, a column for each thing that grows."""
    figure, grid = plt.subplots(len(COSTS), len(CURVES), figsize=(13, 8), sharey="row")
    for row, (value, label) in zip(grid, COSTS.items(), strict=True):
        for axes, curve in zip(row, CURVES, strict=True):
            if (value, curve) == A_MESSAGE_EACH:
                axes.set_visible(False)
                continue
            _lines(axes, series, value, "size", {"curve": curve})
            axes.set_xlabel(curve)
        row[0].set_ylabel(label, fontsize=8)
    for row in grid:
        row[0].set_ylim(bottom=0)
    figure.tight_layout()
    return figure


def memory(series: Series) -> Any:  # Any: a figure of matplotlib
    """Memory of an idle connection, a bar for each contender."""
    figure, axes = plt.subplots(figsize=(7, 3))
    bars = [(name, case) for name in series.contenders() for case in series.cases(name)]
    labels = [f"{name}, {case['rooms']} rooms" if case.get("rooms") else name for name, case in bars]
    sizes = [series.middle(name, "rss_kib_per_client", case) or 0 for name, case in bars]
    axes.barh(labels, sizes, color=[COLORS.get(name) for name, _ in bars])
    axes.invert_yaxis()
    axes.set(xlabel="KiB of resident memory a connection")
    return figure


def _lines(axes: Axes, series: Series, value: str, along: str, fixed: Case) -> None:
    """One line for each contender, with its spread as a band."""
    for contender in series.contenders():
        cases = [case for case in series.cases(contender) if fixed.items() <= case.items() and along in case]
        points = [
            (int(case[along]), middle, span)
            for case in cases
            if (middle := series.middle(contender, value, case)) is not None
            and (span := series.spread(contender, value, case)) is not None
        ]
        if points:
            places, middles, spans = zip(*sorted(points), strict=True)
            color = COLORS.get(contender)
            axes.plot(places, middles, marker="o", markersize=4, label=contender, color=color)
            axes.fill_between(places, *zip(*spans, strict=True), alpha=0.15, color=color, linewidth=0)
            if max(places) > CLOSE * min(places):
                axes.set_xscale("log")
            axes.set_xticks(places)
            axes.xaxis.set_major_formatter(PLAIN)
            axes.xaxis.set_minor_locator(NullLocator())


def _legend(axes: Axes) -> None:
    """Beside the lines, not over them."""
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


PICTURES: Final[dict[str, tuple[str, Draw]]] = {
    "fanout-cost": ("fanout", fanout_cost),
    "fanout-burst": ("fanout", fanout_burst),
    "latency": ("end_to_end", latency),
    "growth": ("growth", growth),
    "memory": ("idle", memory),
}
