"""Every metric of a gate. Labels are closed sets: no room, user, client or gate is ever one."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """The gate's own registry and what is counted in it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.connections = Gauge("gateway_connections", "Open client connections", registry=self.registry)
        self.sessions = Gauge("gateway_sessions", "Clients attached to rooms", registry=self.registry)
        self.frames_received = Counter(
            "gateway_frames_received",
            "Frames of clients, by type and what became of them",
            ("type", "outcome"),
            registry=self.registry,
        )
        self.pushes = Counter("gateway_pushes", "Frames pushed to clients", registry=self.registry)
        self.push_bytes = Counter("gateway_push_bytes", "Bytes pushed to clients", registry=self.registry)
        self.gaps = Counter("gateway_gaps", "Gaps noticed in rooms followed here", registry=self.registry)
        self.lags = Counter("gateway_lags", "Sessions that did not keep up with their room", registry=self.registry)
        self.replays = Counter(
            "gateway_replays",
            "Sessions that came back or caught up, by where what they missed came from",
            ("source",),
            registry=self.registry,
        )
        self.deliveries = Counter(
            "gateway_fanout_deliveries", "Deliveries of this gate's queue", ("kind",), registry=self.registry
        )
        self.command_seconds = Histogram(
            "gateway_command_seconds",
            "From a command's publish to its answer",
            ("verb", "outcome"),
            registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15),
        )
        self.in_flight = Gauge("gateway_commands_in_flight", "Commands without an answer", registry=self.registry)
        self.closes = Counter(
            "gateway_closes", "Connections ended by this gate, by close code", ("code",), registry=self.registry
        )
        self.tokens = Counter(
            "gateway_tokens", "Tokens looked at, and what they were found to be", ("outcome",), registry=self.registry
        )
        self.keys = Gauge("gateway_keys", "Keys that tokens are checked with", registry=self.registry)
        self.key_refreshes = Counter(
            "gateway_key_refreshes",
            "How often the JWK set was read, and whether it could be used",
            ("outcome",),
            registry=self.registry,
        )
        self.limits_hit = Counter(
            "gateway_limits_hit", "What was refused because a limit was reached", ("limit",), registry=self.registry
        )
        self.handshakes_refused = Counter(
            "gateway_handshakes_refused", "WebSocket handshakes refused, by reason", ("reason",), registry=self.registry
        )
        self.inbox = Counter(
            "gateway_inbox_deliveries", "Deliveries of the AMQP door", ("outcome",), registry=self.registry
        )
