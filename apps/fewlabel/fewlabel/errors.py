"""The exception for requests that cannot be served."""

import re

from starlette.exceptions import HTTPException

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def printable(text: str) -> str:
    """Text with unprintable characters escaped (``\\x1b``), for names that come from a request."""
    return _UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


class Refusal(HTTPException):
    """A request that cannot be served; the message says what is wrong, where, and what to do.

    Raised anywhere below a MONAI Label endpoint, FastAPI turns it into a response ``{"detail": message}``, while other
    exceptions become "Internal Server Error" without a reason.

    Args:
        message: what is wrong, where, and what to do about it.
        status: HTTP status, e.g. 400 bad request, 404 unknown, 409 not possible yet, 422 bad file, 507 disk full.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(status_code=status, detail=printable(message))

    def __str__(self) -> str:
        return str(self.detail)
