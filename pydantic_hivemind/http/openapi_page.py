"""The page at `/docs`: the OpenAPI document as plain HTML, without scripts and without anything from another server."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "code,pre{font-family:ui-monospace,monospace;font-size:.9em}pre{overflow:auto;background:#f4f4f4;padding:.7rem}"
    ".text{white-space:pre-line}details{border:1px solid #ccc;border-radius:4px;margin:.5rem 0;padding:.5rem .8rem}"
    "summary{cursor:pointer}summary b{display:inline-block;min-width:4.5rem}"
    "table{border-collapse:collapse;width:100%}td{border-top:1px solid #ddd;padding:.3rem;vertical-align:top}"
)

_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Of the page: a browser loads nothing but the page itself, and runs no script, whatever is in it."""


def page(document: Mapping[str, Any]) -> str:
    """Return an OpenAPI document as a page of HTML."""
    info = document["info"]
    title = escape(f"{info['title']} {info['version']}")
    return "".join(
        [
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>',
            f'<h1>{title}</h1><p class="text">{escape(info.get("description", "").strip())}</p>',
            '<p>For client generators: <a href="openapi.json">openapi.json</a></p><h2>Operations</h2>',
            *(
                part
                for path, methods in document["paths"].items()
                for method, operation in methods.items()
                for part in _operation(method, path, operation)
            ),
            "<h2>Schemas</h2>",
            *(
                f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>{_json(schema)}</details>'
                for name, schema in document.get("components", {}).get("schemas", {}).items()
            ),
            "</html>",
        ]
    )


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f'<details id="{escape(operation["operationId"])}"><summary><b>{escape(method.upper())}</b>'
    yield f'<code>{escape(path)}</code></summary><p class="text">{escape(operation.get("description", ""))}</p>'
    if "security" in operation:
        yield "<p>Needs a token: <code>Authorization: Bearer TOKEN</code></p>"
    rows = [
        (
            parameter["name"],
            f"{parameter['in']}, required" if parameter.get("required") else parameter["in"],
            parameter.get("description", "") + _schema(parameter.get("schema", {})),
        )
        for parameter in operation.get("parameters", ())
    ]
    rows += [("body", media, _schema(body.get("schema", {}))) for media, body in _content(operation, "requestBody")]
    for status, answer in operation.get("responses", {}).items():
        shapes = [f"{media}{_schema(body.get('schema', {}))}" for media, body in answer.get("content", {}).items()]
        rows.append((status, "; ".join(shapes), answer.get("description", "")))
    yield "<table>"
    for name, *cells in rows:
        yield f"<tr><td><code>{escape(name)}</code>" + "".join(f"<td>{escape(cell)}" for cell in cells)
    yield "</table></details>"


def _content(operation: Mapping[str, Any], key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from operation.get(key, {}).get("content", {}).items()


def _schema(schema: Mapping[str, Any]) -> str:
    """Return a schema in a few words, with a space before them: the name of a named one, or the types."""
    if "$ref" in schema:
        return " " + schema["$ref"].rpartition("/")[2]
    if "anyOf" in schema:
        return " " + " or ".join(_schema(one).strip() for one in schema["anyOf"])
    words = str(schema.get("type", ""))
    if words == "array":
        words = f"list of {_schema(schema.get('items', {})).strip() or 'anything'}"
    return f" {words}" if words else ""


def _json(schema: object) -> str:
    return f"<pre>{escape(json.dumps(schema, indent=2, ensure_ascii=False))}</pre>"
