"""HTTP requests to a MONAI Label server: errors become messages, downloads are checked before they are used."""

from __future__ import annotations

import json
import logging
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Tuple

import requests

from ..errors import Damaged, LoginNeeded, NotReachable, Refused, WrongServer
from .integrity import check_file
from .multipart import file_name, unpack

# Otherwise Slicer would log every request of urllib3, with the names of cases, from any thread, into a Qt model.
logging.getLogger("urllib3").setLevel(logging.WARNING)

Progress = Optional[Callable[[int, int], None]]
"""Called with the bytes received so far, and the total (0: not known)."""


@dataclass(frozen=True)
class Timeouts:
    """Seconds without a response until a request is given up.

    Attributes:
        connect: until the connection is open.
        answer: for immediate responses; MONAI Label responds to nobody while it segments.
        work: for responses that have to be computed first, such as a segmentation.
    """

    connect: float = 5.0
    answer: float = 60.0
    work: float = 900.0


def full_address(address: str) -> str:
    """``localhost:8000/`` -> ``http://localhost:8000``.

    Raises:
        WrongServer: it is not an address.
    """
    url = address.strip().rstrip("/")
    if "://" not in url:
        url = "http://" + url
    if not re.fullmatch(r"https?://(\[[\da-fA-F:]+\]|[^\s/:@]+)(:\d{1,5})?(/\S*)?", url):
        raise WrongServer(f"'{address}' is not an address of a server. Give one like http://localhost:8000.")
    return url


class Transport:
    """Requests to one server. One thread at a time.

    Args:
        url: the result of ``full_address``.
        timeouts: when to give up.
        token: sent with every request; "": none.
    """

    def __init__(self, url: str, timeouts: Timeouts, token: str = "") -> None:
        self.url, self.timeouts, self.token = url, timeouts, token
        self._session = requests.Session()
        # The server may have closed a kept connection; and content lengths must be those of the file.
        self._session.headers.update({"Connection": "close", "Accept-Encoding": "identity"})

    def json(self, method: str, path: str, work: bool = False, **arguments: Any) -> Any:
        """Send a request and parse the response.

        Args:
            work: whether the response has to be computed first.
            arguments: of ``requests.request``.

        Raises:
            NotReachable, LoginNeeded, Refused: see errors.py.
            WrongServer: the response is not JSON.
        """
        try:
            response = self._send(method, path, work, **arguments)
            content = response.content
        except requests.RequestException as error:
            raise self._not_reachable(error) from error
        try:
            return json.loads(content)
        except ValueError as error:
            raise WrongServer(
                f"{self.url} responds, but not like a MONAI Label server. Check the address and the port."
            ) from error

    def download(
        self,
        method: str,
        path: str,
        target_of: Callable[[str], Path],
        called: str,
        progress: Progress = None,
        reuse: bool = False,
        **arguments: Any,
    ) -> Tuple[Path, Any]:
        """Download a file; it appears at its path only when it is complete.

        Args:
            reuse: do not download an existing file again if the server's ETag has not changed. (MONAI Label's own
                checksum test says no to every checksum.)
            target_of: gives the local path for the file name that the server sends.
            called: name of the file in messages.

        Returns:
            The path, and the JSON of a multipart response of /infer, else None.

        Raises:
            Damaged: the download is incomplete, or the file is damaged; it is removed.
            NotReachable, LoginNeeded, Refused: see errors.py.
        """
        handle, name = tempfile.mkstemp(suffix=".part")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                response = self._open(method, path, arguments)
                headers, params = response.headers, None
                kind = str(headers.get("Content-Type", ""))
                offered = file_name(headers.get("Content-Disposition", ""))
                if reuse and _is_still(target_of, offered, headers):
                    response.close()
                    return target_of(offered), None
                self._receive(response, file, called, progress)
            if kind.startswith("multipart/"):
                offered, params = unpack(temporary, kind, called)
            elif kind.startswith("application/json"):
                raise Refused(f"The server sent no file for {called}: it does not provide one.", 200)
            target = _move_when_whole(temporary, target_of(offered), called)
            if reuse:
                _remember(target, headers)
            return target, params
        finally:
            temporary.unlink(missing_ok=True)

    def _open(self, method: str, path: str, arguments: Dict) -> requests.Response:
        try:
            return self._send(method, path, True, stream=True, **arguments)
        except requests.RequestException as error:
            raise self._not_reachable(error) from error

    @staticmethod
    def _receive(response: requests.Response, file: Any, called: str, progress: Progress) -> None:
        """Write the body to an open file."""
        arrived = 0
        announced = int(response.headers.get("Content-Length") or 0)
        cut = f"The connection broke while {called} was arriving. Nothing was changed; try again."
        try:
            for chunk in response.iter_content(1 << 18):
                file.write(chunk)
                arrived += len(chunk)
                if progress is not None:
                    progress(arrived, announced)
        except requests.RequestException as error:
            raise Damaged(cut) from error
        if announced and arrived != announced:
            raise Damaged(cut)

    def _send(self, method: str, path: str, work: bool, **arguments: Any) -> requests.Response:
        patience = self.timeouts.work if work else self.timeouts.answer
        response = self._session.request(
            method,
            self.url + path,
            timeout=(self.timeouts.connect, patience),
            auth=self._sign,  # set here, so that requests does not use a password of a .netrc file
            **arguments,
        )
        if response.status_code == 401:
            raise LoginNeeded(
                f"The server at {self.url} requires a login. "
                "If people share a token, use it as the password, with any user name."
            )
        if response.status_code >= 400:
            raise Refused(_words(response), response.status_code)
        return response

    def _sign(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.token:
            request.headers["Authorization"] = f"Bearer {self.token}"
        return request

    def _not_reachable(self, error: requests.RequestException) -> NotReachable:
        where = f"The server at {self.url}"
        if isinstance(error, requests.ConnectTimeout) or not isinstance(error, requests.Timeout):
            said = "cannot be reached" if isinstance(error, requests.ConnectionError) else "broke the connection"
            return NotReachable(f"{where} {said}. Check the address, and whether it is running.")
        return NotReachable(f"{where} did not answer in time. It may be busy: try again in a moment.")


def _words(response: requests.Response) -> str:
    """The server's message, or one for its status."""
    try:
        detail = json.loads(response.content).get("detail")
    except (ValueError, AttributeError, requests.RequestException):
        detail = None
    if isinstance(detail, list):  # errors of pydantic for an invalid request
        parts = [f"{'.'.join(map(str, item.get('loc', [])))}: {item.get('msg')}" for item in detail]
        detail = "The server did not understand the request: " + "; ".join(parts)
    if isinstance(detail, str) and detail:
        return detail
    return f"The server failed ({response.status_code} {response.reason}). See its log; try again."


def _is_still(target_of: Callable[[str], Path], offered: str, headers: Any) -> bool:
    """Whether the file that the server starts to send was downloaded before."""
    if not headers.get("ETag"):
        return False
    known = target_of(offered)
    mark = known.with_name(known.name + ".etag")
    if not (known.exists() and mark.exists() and mark.read_text() == f"{headers['ETag']} {known.stat().st_size}"):
        return False
    for used in (known, mark):
        used.touch()  # it is the newest again: see downloads.py
    return True


def _remember(target: Path, headers: Any) -> None:
    mark = target.with_name(target.name + ".etag")
    if headers.get("ETag"):
        mark.write_text(f"{headers['ETag']} {target.stat().st_size}")
    else:
        mark.unlink(missing_ok=True)


def _move_when_whole(temporary: Path, target: Path, called: str) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    # In the target's folder, so that moving is atomic; with its extension, which tells the format.
    beside = target.with_name(f".part-{os.getpid()}-{target.name}")
    try:
        with temporary.open("rb") as source, beside.open("wb") as copy:
            for chunk in iter(lambda: source.read(1 << 20), b""):
                copy.write(chunk)
        check_file(beside, called)
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)
    return target
