"""Escapes class names and case ids for Markdown: they are data."""

from __future__ import annotations

import html
import re


def markdown(text: str) -> str:
    """Escaped so that Markdown shows it literally: no HTML, links or emphasis.

    Examples:
        >>> markdown("<b>*liver*</b>")
        '&lt;b&gt;\\\\*liver\\\\*&lt;/b&gt;'
    """
    return re.sub(r"([\\`*_\[\]~|])", r"\\\1", html.escape(text, quote=False))
