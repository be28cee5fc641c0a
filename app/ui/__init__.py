"""The page that people use: Gradio as a shell, laid out as AUTOMATIC1111's users expect; what moves in it is static/js over /api/v1.

Knows jobs, prompt, metadata and models; never torch. `build_page` makes it, `page_options` says how it looks, and `mount_page` puts it on
the web application.
"""

from app.ui.mount import mount_page
from app.ui.page import STATIC_PATH, build_page, page_options
from app.ui.parts.services import PageParts
from app.ui.parts.static_files import PageFiles

__all__ = ["STATIC_PATH", "PageFiles", "PageParts", "build_page", "mount_page", "page_options"]
