"""Errors that A1111 answers in a fixed form of four keys."""


class FourKeyError(Exception):
    """An answer of A1111's own: `{"error": ..., "detail": ..., "body": "", "errors": ...}` with its status."""

    def __init__(self, status: int, *, error: str = "HTTPException", detail: str = "", errors: str = "") -> None:
        super().__init__(detail or errors)
        self.status = status
        self.body = four_keys(error, detail=detail, errors=errors)


def four_keys(error: str, *, detail: str = "", errors: str = "") -> dict[str, str]:
    """The body that A1111 sends for whatever route code raises."""
    return {"error": error, "detail": detail, "body": "", "errors": errors}


def invalid_image() -> FourKeyError:
    """A picture that cannot be decoded."""
    return FourKeyError(500, detail="Invalid encoded image")
