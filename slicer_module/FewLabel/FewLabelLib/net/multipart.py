"""Multipart responses of /infer, which contain a file and JSON."""

from __future__ import annotations

import json
import re
from email.message import Message
from pathlib import Path
from typing import Any, Tuple

from ..errors import Damaged


def _header(name: str, value: str) -> Message:
    message = Message()
    message[name] = value
    return message


def file_name(disposition: str) -> str:
    """The name in a Content-Disposition; "" if there is none."""
    return str(_header("Content-Disposition", disposition).get_filename() or "")


def unpack(body: Path, content_type: str, called: str) -> Tuple[str, Any]:
    """Replace a multipart response in ``body`` by its file; gives the file's name and the JSON part."""
    boundary = _header("Content-Type", content_type).get_param("boundary")
    params, name, content = None, "", None
    for part in body.read_bytes().split(b"--" + str(boundary).encode())[1:-1]:
        head, _, data = part.partition(b"\r\n\r\n")
        disposition = re.search(rb"Content-Disposition:([^\r]*)", head, re.IGNORECASE)
        offered = file_name(disposition.group(1).decode().strip()) if disposition else ""
        if offered:
            name, content = offered, data[:-2]
        else:
            params = json.loads(data)
    if content is None:
        raise Damaged(f"{called} arrived without a file. Nothing was changed; try again.")
    body.write_bytes(content)
    return name, params
