"""What the panel remembers of FewLabel on this computer: its folder, and the server of each folder of scans."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Dict


@dataclass(frozen=True)
class Served:
    """The last server of a folder of scans.

    Attributes:
        port: on this computer; the next server takes it again if it is free.
        pid: of the server; 0: it was ended.
        classes: that it was started with, "" for none.
    """

    port: int = 0
    pid: int = 0
    classes: str = ""

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"


class Record:
    """A file of the panel's folder. What cannot be read counts as forgotten; what cannot be written is."""

    def __init__(self, file: Path) -> None:
        self.file = file

    @property
    def root(self) -> str:
        """FewLabel's folder, "" if it was never chosen."""
        return str(self._read().get("root", ""))

    def put_root(self, root: Path) -> None:
        """Remember FewLabel's folder."""
        self._write({**self._read(), "root": str(root)})

    def served(self, studies: Path) -> Served:
        """The last server of a folder of scans; its port is 0 if there was none."""
        servers = self._read().get("servers")
        known: Any = servers.get(str(studies)) if isinstance(servers, dict) else None
        try:
            return Served(int(known["port"]), int(known["pid"]), str(known["classes"]))
        except (TypeError, ValueError, KeyError):
            return Served()

    def put_served(self, studies: Path, served: Served) -> None:
        """Remember the server of a folder of scans."""
        known = self._read()
        servers = known.get("servers") if isinstance(known.get("servers"), dict) else {}
        self._write({**known, "servers": {**(servers or {}), str(studies): asdict(served)}})

    def _read(self) -> Dict[str, Any]:
        try:
            known = json.loads(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def _write(self, known: Dict[str, Any]) -> None:
        beside = self.file.with_name(f".part-{os.getpid()}-{self.file.name}")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(json.dumps(known, ensure_ascii=False), encoding="utf-8")
            os.replace(beside, self.file)
        except OSError:
            beside.unlink(missing_ok=True)
