"""What a client's `sync` has fetched so far: pages of events behind a seq, until they are current or enough. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from services.gateway.doors.conversation.asking import Frame

PAGES: Final = 5
"""A sync that would want more pages is told in part, with `has_more`."""


@dataclass(slots=True)
class Caught:
    """The `events` up to `through` of `pages` pages; the newest there is was `head`, of `epoch`."""

    through: int
    pages: int = 0
    head: int = 0
    epoch: str = ""
    events: list[Frame] = field(default_factory=list)

    def take(self, page: Frame) -> None:
        """The next page. One of another epoch belongs to another numbering: what came before is worthless."""
        if self.pages and page["epoch"] != self.epoch:
            self.events.clear()
        self.pages += 1
        self.epoch, self.head = page["epoch"], page["head"]
        self.events += [event for event in page["events"] if event["event"] == "message_posted"]
        self.through = max([self.through, *(event["seq"] for event in page["events"])])
        if not page["events"]:
            self.through = max(self.through, self.head)

    @property
    def complete(self) -> bool:
        """Whether nothing is missing up to the head."""
        return self.through >= self.head

    @property
    def wants_more(self) -> bool:
        """Whether to ask for another page."""
        return not self.complete and self.pages < PAGES
