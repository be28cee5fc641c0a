"""Our scripts, styles and icons as the web server gives them out."""

from os import PathLike, stat_result

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope


class PageFiles(StaticFiles):
    """Files that a browser asks about each time (and is told "not modified"): after an update it never mixes old scripts with new ones."""

    def file_response(self, full_path: "str | PathLike[str]", stat_result: stat_result, scope: Scope, status_code: int = 200) -> Response:
        """The file, or 304."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = "no-cache"
        return response
