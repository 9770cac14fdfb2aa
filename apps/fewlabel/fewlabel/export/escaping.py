"""Class names and case ids are data: how they are written into Markdown so that they show as they are."""

from __future__ import annotations

import html
import re


def markdown(text: str) -> str:
    """Text as Markdown shows it: what looks like HTML, a link or emphasis is none.

    Examples:
        >>> markdown("<b>*liver*</b>")
        '&lt;b&gt;\\\\*liver\\\\*&lt;/b&gt;'
    """
    return re.sub(r"([\\`*_\[\]~|])", r"\\\1", html.escape(text, quote=False))
