"""What all request bodies have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Incoming(BaseModel):
    """A request body; what we do not know in it is left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True)
