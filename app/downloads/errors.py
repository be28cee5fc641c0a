"""Why a file did not come."""

from app.schema.errors import DarkroomError


class DownloadFailed(DarkroomError):
    """The other side, or the way there."""

    code = "download_failed"
    status = 502


class NeedsToken(DownloadFailed):
    """The other side wants to know who asks."""

    code = "needs_token"
    status = 403


class WrongFile(DownloadFailed):
    """What came is not what was promised."""

    code = "wrong_file"


class Stopped(Exception):
    """Somebody stopped the download; what has come is kept for going on."""
