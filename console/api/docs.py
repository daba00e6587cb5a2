"""The API's documentation as one page of our own, rendered from the OpenAPI document; no script, no foreign host."""

from __future__ import annotations

import json
from html import escape
from typing import Any, Final

CSP: Final = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'"
STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --quiet: #888; --accent: #2563eb; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1.5rem; }
code, pre { font: 13px/1.5 ui-monospace, monospace; }
pre { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; padding: .75rem; }
section { border-top: 1px solid var(--line); padding: .5rem 0; }
summary { cursor: pointer; padding: .25rem 0; }
.method { display: inline-block; min-width: 4rem; font-weight: 600; color: var(--accent); }
.quiet { color: var(--quiet); }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; font-weight: 600; padding: .5rem 0; }
th, td { text-align: left; vertical-align: top; border-top: 1px solid var(--line); padding: .25rem .5rem .25rem 0; }
.wide { overflow-x: auto; }
a { color: var(--accent); }
"""


def page(document: dict[str, Any]) -> str:
    """The whole page."""
    schemas = document["components"]["schemas"]
    operations = [(path, method, o) for path, methods in document["paths"].items() for method, o in methods.items()]
    tags = [tag["name"] for tag in document["tags"]]
    body = "".join(
        f"<h2 id='{escape(tag)}'>{escape(tag.capitalize())}</h2>"
        + "".join(_operation(path, method, o, schemas) for path, method, o in operations if tag in o["tags"])
        for tag in tags
    )
    links = " · ".join(f"<a href='#{escape(tag)}'>{escape(tag)}</a>" for tag in tags)
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Hookstream API</title>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'><link rel='stylesheet' href='/api/docs.css'></head>"
        f"<body><main><h1>Hookstream API</h1><p>{escape(document['info']['description']).replace('`', '')}</p>"
        f"<p>Machine-readable: <a href='/api/openapi.json'>openapi.json</a> · <a href='/'>dashboard</a></p><nav>{links}</nav>"
        "<pre>curl -H 'Authorization: Bearer $HUB_ADMIN_KEY' http://127.0.0.1:8081/api/v1/endpoints</pre>"
        f"{body}</main></body></html>"
    )


def _operation(path: str, method: str, o: dict[str, Any], schemas: dict[str, Any]) -> str:
    parts = [_table("Parameters", [(p["name"], _type(p["schema"]), p["in"]) for p in o.get("parameters", [])])]
    if "requestBody" in o:
        parts.append(_schema("Request", o["requestBody"]["content"]["application/json"]["schema"], schemas))
    for status, answer in o["responses"].items():
        content = answer.get("content", {}).get("application/json")
        if content:
            parts.append(_schema(f"Response {status}", content["schema"], schemas))
    errors = [(s, "", a["description"]) for s, a in o["responses"].items() if "application/problem+json" in a.get("content", {})]
    parts.append(_table("Errors", errors))
    return (
        f"<section><details><summary><span class='method'>{method.upper()}</span> <code>{escape(path)}</code> "
        f"<span class='quiet'>{escape(o['summary'])}</span></summary><div class='wide'>{''.join(parts)}</div></details></section>"
    )


def _schema(caption: str, schema: dict[str, Any], schemas: dict[str, Any], depth: int = 0) -> str:
    name = _ref(schema)
    if name is None:
        return _table(caption, [("", _type(schema), "")])
    found = schemas[name]
    rows = [
        (field, _type(value) + (", required" if field in found.get("required", []) else ""), _default(value))
        for field, value in found.get("properties", {}).items()
    ]
    table = _table(f"{caption}: {name}", rows, found.get("description", ""))
    inner = {ref for value in found.get("properties", {}).values() for ref in _refs(value)}
    if depth < 2:
        table += "".join(_schema("", {"$ref": f"#/components/schemas/{ref}"}, schemas, depth + 1) for ref in sorted(inner))
    return table


def _table(caption: str, rows: list[tuple[str, str, str]], words: str = "") -> str:
    if not rows:
        return ""
    lines = "".join(
        f"<tr><th scope='row'><code>{escape(a)}</code></th><td>{escape(b)}</td><td>{escape(c)}</td></tr>" for a, b, c in rows
    )
    note = f"<br><span class='quiet'>{escape(words).replace('`', '')}</span>" if words else ""
    return f"<table><caption>{escape(caption.lstrip(': '))}{note}</caption>{lines}</table>"


def _type(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(s) for s in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(json.dumps(v) for v in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items') or {})}"
    return _ref(schema) or str(schema.get("type", "any"))


def _default(schema: dict[str, Any]) -> str:
    return f"default {json.dumps(schema['default'], ensure_ascii=False)}" if "default" in schema else ""


def _ref(schema: dict[str, Any]) -> str | None:
    return schema["$ref"].rsplit("/", 1)[1] if "$ref" in schema else None


def _refs(schema: dict[str, Any]) -> list[str]:
    own = _ref(schema)
    below = [schema.get("items") or {}, *schema.get("anyOf", [])]
    return [own] if own else [ref for s in below if isinstance(s, dict) and s for ref in _refs(s)]
