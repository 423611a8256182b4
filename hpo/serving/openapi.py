"""What a server offers, as an OpenAPI 3.1 description."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpo.serving.room import Limits

Schema = dict[str, Any]

_PICTURE: Schema = {
    "required": True,
    "content": {
        "image/*": {"schema": {"type": "string", "format": "binary"}},
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    "file": {
                        "type": "array",
                        "items": {"type": "string", "format": "binary"},
                        "minItems": 1,
                    }
                },
                "required": ["file"],
            }
        },
    },
}
_STATUSES = {
    "400": "The body holds no picture, or no whole form.",
    "401": "The token is missing or wrong.",
    "413": "The body is too large.",
    "422": "No picture could be read, or a parameter is wrong.",
    "429": "Too many pictures wait already; ask again after `Retry-After` seconds.",
    "500": "The server failed.",
    "503": "The answer took too long; ask again after `Retry-After` seconds.",
}


def description(name: str, classes: Sequence[str], limits: Limits) -> Schema:
    """Returns the description of one model's server."""
    label: Schema = {"type": "string", "enum": list(classes)}
    share: Schema = {"type": "number", "minimum": 0, "maximum": 1}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": name,
            "version": version("hpo"),
            "description": f"Classifies pictures. A request has at most {limits.bytes:,} bytes and "
            f"{limits.files} files, and is answered within {limits.seconds:g} s.",
        },
        "paths": {
            "/predict": {
                "post": {
                    "operationId": "predict",
                    "summary": "Classify one picture, or several as files of a form",
                    "parameters": [
                        _parameter("top", {"type": "integer", "minimum": 1}, "Most classes given.")
                    ],
                    "requestBody": _PICTURE,
                    "responses": _responses("Predictions", "400", "413", "422", "429", "503"),
                }
            },
            "/explain": {
                "post": {
                    "operationId": "explain",
                    "summary": "Map the parts of one picture that speak for a class",
                    "parameters": [
                        _parameter("class", label, "The likeliest where none is named.")
                    ],
                    "requestBody": _PICTURE,
                    "responses": _responses("Explanation", "400", "413", "422", "429", "503"),
                }
            },
            "/model": {
                "get": {
                    "operationId": "model",
                    "summary": "The model and the limits",
                    "responses": _responses("Model"),
                }
            },
            "/healthz": {
                "get": {
                    "operationId": "healthz",
                    "summary": "Whether the server is there",
                    "security": [],
                    "responses": _responses("Health"),
                }
            },
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                "Health": _object(status={"const": "ok"}),
                "Error": _object(error={"type": "string"}),
                "Model": _object(
                    model={"type": "string"},
                    classes=_array({"type": "string"}),
                    limits=_object(bytes={"type": "integer"}, files={"type": "integer"}),
                ),
                "Predictions": _object(
                    model={"type": "string"},
                    predictions=_array(
                        {
                            "oneOf": [
                                _object(
                                    file={"type": "string"},
                                    classes=_array(
                                        _object(**{"class": label, "probability": share})
                                    ),
                                ),
                                _object(file={"type": "string"}, error={"type": "string"}),
                            ]
                        }
                    ),
                ),
                "Explanation": _object(
                    **{
                        "model": {"type": "string"},
                        "class": label,
                        "probability": share,
                        "falls": {
                            **_array(_array({"type": "number", "minimum": -1, "maximum": 1})),
                            "description": "Rows of cells from the top left: how far the "
                            "probability falls where the cell is covered.",
                        },
                    }
                ),
            },
        },
        "security": [{}, {"token": []}],
    }


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _parameter(name: str, schema: Schema, text: str) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": text}


def _responses(schema: str, *refusals: str) -> Schema:
    def answer(text: str, name: str) -> Schema:
        content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
        return {"description": text, "content": content}

    refused = {code: answer(_STATUSES[code], "Error") for code in ("401", *refusals, "500")}
    return {"200": answer("The answer.", schema), **refused}
