"""The panel's exceptions; each has a message for the person at the screen."""

from __future__ import annotations


class Trouble(Exception):
    """Base class; ``str()`` gives the message: what went wrong, where, and what to do."""


class NotReachable(Trouble):
    """No response: no such address, nothing listens there, the connection broke, or it took too long."""


class WrongServer(Trouble):
    """Something responds, but it is not a MONAI Label server."""


class LoginNeeded(Trouble):
    """The server requires a user name and a password, or those given are wrong or have expired."""


class Refused(Trouble):
    """The server refused the request, or failed.

    Args:
        sentence: the server's message, if it sent one.
        status: HTTP status.
    """

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


class Damaged(Trouble):
    """A download that is incomplete, or whose content is damaged."""


class Unusable(Trouble):
    """The content of the scene cannot be converted to a label map, or the scene cannot do what was requested."""


class NotStarted(Trouble):
    """The server could not be set up or started on this computer."""


def sentence(error: BaseException) -> str:
    """The message for any exception."""
    if isinstance(error, Trouble):
        return str(error)
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename} cannot be read or written: {error.strerror}. Free space or choose another folder."
    return f"Something unexpected went wrong ({type(error).__name__}: {error}). Slicer's log has the details."
