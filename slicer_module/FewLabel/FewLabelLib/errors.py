"""Everything that can go wrong, each with a sentence for the person at the screen."""

from __future__ import annotations


class Trouble(Exception):
    """What went wrong, where, and what to do about it; ``str()`` is the sentence."""


class NotReachable(Trouble):
    """No answer: no such address, nothing listens there, the connection broke, or it took too long."""


class WrongServer(Trouble):
    """Something answers, but it is no MONAI Label server."""


class LoginNeeded(Trouble):
    """The server wants a user name and a password, or those given are wrong or have expired."""


class Refused(Trouble):
    """The server said no, or failed.

    Args:
        sentence: in the server's own words where it gave any.
        status: HTTP status.
    """

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


class Damaged(Trouble):
    """A download that arrived in part, or whose content is no whole file of its kind."""


class Unusable(Trouble):
    """What is in the scene cannot be turned into a label map, or the scene cannot do what was asked."""


def sentence(error: BaseException) -> str:
    """What to tell the person about any exception."""
    if isinstance(error, Trouble):
        return str(error)
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename} cannot be read or written: {error.strerror}. Free or choose another place."
    return f"Something unexpected went wrong ({type(error).__name__}: {error}). Slicer's log has the details."
