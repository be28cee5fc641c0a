"""`python -m tests.support.site_server SITE_PORT FLAGS`: the server as it is, whose downloads come from a site on this machine."""

import sys
from functools import partial

import uvicorn

from app.cli.flags import server_settings
from app.downloads import Sites
from app.server import Front, Server
from tests.support.download_site import limits_for


def main() -> None:
    """Serves until it is ended."""
    port, *flags = sys.argv[1:]
    sites = Sites(civitai=f"http://127.0.0.1:{port}", hugging_face="http://127.0.0.1:1")
    settings = server_settings(flags)
    front = Front(settings, partial(Server, sites=sites, limits=limits_for(int(port), first_wait_s=0.2)))
    uvicorn.run(front, host="127.0.0.1", port=settings.port, log_level="warning", lifespan="on", timeout_graceful_shutdown=3)


if __name__ == "__main__":
    main()
