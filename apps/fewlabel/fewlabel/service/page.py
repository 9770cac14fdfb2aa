"""The page of all addresses: plain HTML, where MONAI Label's pages load scripts and fonts from servers elsewhere."""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

_POLICY = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'"}
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>FewLabel: all addresses</title>
<style>body {{font-family: sans-serif; margin: 2em}} td {{padding: .2em 1em .2em 0}}</style></head>
<body><h1>FewLabel</h1>
<p>All addresses of this server. <a href="{schema}">{schema}</a> describes them for programs, with options and
responses; docs/http.md shows the most useful ones with <code>curl</code>.</p>
<table>{rows}</table></body></html>
"""


def make_page_router() -> APIRouter:
    """``/`` and ``/docs``: method, address and summary of each route that the schema names. Loads nothing."""
    router = APIRouter()

    @router.get("/", include_in_schema=False, response_class=HTMLResponse)
    @router.get("/docs", include_in_schema=False, response_class=HTMLResponse)
    def get_page(request: Request) -> HTMLResponse:
        app = request.app
        return HTMLResponse(_PAGE.format(schema=escape(app.openapi_url), rows=_rows(app.openapi())), headers=_POLICY)

    return router


def _rows(schema: dict[str, Any]) -> str:
    cells = (
        (method.upper(), path, operation.get("summary", ""))
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
    )
    return "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in cells)
