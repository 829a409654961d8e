"""JSON Schema of wire models. What comes from outside is closed: an unknown field is refused. What Gatehouse makes is
open: a reader must ignore fields it does not know, so that one can be added without breaking anybody."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

from schemas.model import Model

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
FILE_REFS: Final = "#/$defs/{model}"

JsonObject = dict[str, Any]  # Any: JSON
Mode = Literal["validation", "serialization"]
"""`validation`: comes from outside. `serialization`: made by Gatehouse."""


class WireSchema(GenerateJsonSchema):
    """Says what `Model.to_json` writes and what the models read: a tag is always there, a field without a value never
    is. Made by Gatehouse, a field with any other default is always there too."""

    def field_title_should_be_set(self, schema: object) -> bool:
        """No titles that only repeat a field's name."""
        del schema
        return False

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,
        total: bool,  # noqa: FBT001 - the signature of the base class
    ) -> bool:
        """Tags are required although they have a default."""
        del total
        schema = field["schema"]
        if schema["type"] != "default":
            return True
        if self.mode == "serialization":
            return schema.get("default") is not None
        return bool(schema["schema"]["type"] == "literal")

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Gatehouse leaves a field out and never writes `null`."""
        if self.mode == "serialization":
            return self.generate_inner(schema["schema"])
        return super().nullable_schema(schema)

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """A default of `null` says nothing, nor does a tag's own."""
        written = super().default_schema(schema)
        if written.get("default") is None or "const" in written:
            written.pop("default", None)
        return written

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        """`oneOf` with required tags needs no discriminator, whose form every specification spells differently."""
        written = super().tagged_union_schema(schema)
        written.pop("discriminator", None)
        return written

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Open what Gatehouse makes; put the docstring on one line."""
        written = super().model_schema(schema)
        if self.mode == "serialization":
            written.pop("additionalProperties", None)
        written["description"] = " ".join(written["description"].split())
        return written


def definitions(models: Sequence[tuple[type[Model], Mode]], ref_template: str = FILE_REFS) -> dict[str, JsonObject]:
    """The schemas of models and of all they hold, by name. A model that differs by direction appears as
    `Name-Input` and `Name-Output`."""
    _, document = models_json_schema(models, ref_template=ref_template, schema_generator=WireSchema)
    named: dict[str, JsonObject] = document["$defs"]
    return named


def without(schema: JsonObject, *names: str, title: str, added: JsonObject | None = None) -> JsonObject:
    """A copy of an object's schema under another title, without some fields and with others first."""
    fields = {name: field for name, field in schema["properties"].items() if name not in names}
    required = [name for name in schema["required"] if name not in names]
    return schema | {"title": title, "properties": (added or {}) | fields, "required": required}


def optional(schema: JsonObject, *names: str) -> JsonObject:
    """A copy of an object's schema in which some fields may be left out."""
    return schema | {"required": [name for name in schema["required"] if name not in names]}
