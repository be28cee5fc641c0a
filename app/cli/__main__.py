"""`python -m app.cli` is `python webui.py` without the installation."""

import sys

from app.cli import main

sys.exit(main())
