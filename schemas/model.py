"""The one base of all wire models, and how they become JSON and back."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A frozen shape on the wire. Unknown fields are an error; an absent field and `null` mean the same."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_enum_values=False, ser_json_inf_nan="null")

    def to_json(self, *, without: set[str] | None = None) -> bytes:
        """Encode for the wire: UTF-8 JSON, fields without a value left out, and those named in `without`."""
        return self.__pydantic_serializer__.to_json(self, exclude_none=True, exclude=without)

    def to_dict(self) -> dict[str, Any]:  # Any: a JSON object
        """The same as a JSON-ready dictionary."""
        return self.model_dump(mode="json", exclude_none=True)
