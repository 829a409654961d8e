"""The OpenAPI document as this API means it. Pure."""

from __future__ import annotations

from typing import Any, Final

from services.gateway.doors.problems import MEDIA_TYPE

Document = dict[str, Any]  # Any: a JSON document
FIRST_PROBLEM: Final = 400
NEVER_SAID: Final = "422"
"""What the framework documents for malformed requests; we answer them otherwise."""
SHAPES_NEVER_SAID: Final = ("HTTPValidationError", "ValidationError")
METHODS: Final = ("get", "put", "post", "delete", "patch")


def with_problems(document: Document) -> Document:
    """Problems under their own media type, and nothing that is never answered. Changes the document in place."""
    for path in document["paths"].values():
        for method in METHODS:
            if method in path:
                _say_problems(path[method]["responses"])
    for shape in SHAPES_NEVER_SAID:
        document["components"]["schemas"].pop(shape, None)
    return document


def _say_problems(responses: Document) -> None:
    responses.pop(NEVER_SAID, None)
    for status, response in responses.items():
        if int(status) >= FIRST_PROBLEM:
            response["content"] = {MEDIA_TYPE: response["content"]["application/json"]}
