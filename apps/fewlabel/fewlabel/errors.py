"""The one way in which FewLabel says no."""

from starlette.exceptions import HTTPException


class Refusal(HTTPException):
    """A request that cannot be served, in a sentence that says what, where and what to do.

    Raised anywhere below a MONAI Label endpoint it becomes an HTTP answer ``{"detail": message}`` by FastAPI
    itself, where other exceptions become "Internal Server Error" without a reason.

    Args:
        message: what is wrong, where, and what to do about it.
        status: HTTP status, e.g. 400 bad request, 404 unknown, 409 not possible yet, 422 bad file, 507 disk full.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(status_code=status, detail=message)

    def __str__(self) -> str:
        return str(self.detail)
