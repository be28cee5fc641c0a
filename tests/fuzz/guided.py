"""A fuzz run guided by coverage: `python -m tests.fuzz.guided -runs=COUNT DIR`; `tests.fuzz.run --seeds DIR` makes the folder.

It needs `pip install atheris`, which is not among our dependencies because it has no wheels for every Python.
"""

import sys

import atheris  # type: ignore[import-untyped]

with atheris.instrument_imports(include=["app.metadata"]):
    from tests.fuzz.mutate import check_file, check_text


def check(data: bytes) -> None:
    """One input, as a file and as a text."""
    check_file(data)
    check_text(data.decode("utf-8", "replace"))


if __name__ == "__main__":
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
