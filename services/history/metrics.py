"""Every metric of the history service. Labels never hold a room or a user."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

BATCH_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class HistoryMetrics:
    """One set per process and registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.events_stored = Counter("history_events_stored", "Events stored for the first time.", registry=registry)
        self.receipts_folded = Counter("history_receipts_folded", "Receipts folded.", registry=registry)
        self.repeats = Counter("history_repeats", "Events delivered again that were stored already.", registry=registry)
        self.stale_fences = Counter(
            "history_stale_fences", "Entries of writers that had been replaced.", registry=registry
        )
        self.conflicts = Counter(
            "history_conflicts", "Entries that contradict the store; above 0 is a bug.", registry=registry
        )
        self.reused_command_ids = Counter(
            "history_reused_command_ids",
            "Events stored whose command_id had made another before.",
            registry=registry,
        )
        self.messages_emptied = Counter(
            "history_messages_emptied",
            "Messages emptied because their room kept them for long enough.",
            registry=registry,
        )
        self.batch_size = Histogram(
            "history_batch_size", "Entries written together.", buckets=BATCH_BUCKETS, registry=registry
        )
        self.store_seconds = Histogram(
            "history_store_seconds", "How long a batch took to store.", buckets=SECONDS_BUCKETS, registry=registry
        )
        self.store_failures = Counter(
            "history_store_failures", "How often the store was away when it was needed.", registry=registry
        )
        self.barriers = Counter("history_barriers", "Barrier queries answered, by type.", ["type"], registry=registry)
        self.parked = Counter("history_parked", "Deliveries set aside, by reason.", ["reason"], registry=registry)
        self.queries = Counter(
            "history_queries",
            "Reads by type and how they ended: answered, or a code.",
            ["type", "outcome"],
            registry=registry,
        )
        self.shards_consumed = Gauge(
            "history_shards_consumed", "Shards this worker stands in line for.", registry=registry
        )
