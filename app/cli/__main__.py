"""`python -m app.cli` is `python webui.py` without the installation."""

import sys

from app.cli import main

if __name__ == "__main__":  # the engine's process imports this file under another name
    sys.exit(main())
