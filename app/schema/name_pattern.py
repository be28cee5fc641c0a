"""A regular expression that somebody sent, tried on names in a process of its own: some take for ever, and Python cannot end them."""

import json
import subprocess
import sys
from collections.abc import Iterable

from app.schema.errors import InvalidParams

MOST_S = 3.0
"""For all names together; an ordinary pattern takes a twentieth of a second, most of it to start the process."""
_TRIES = """
import json, re, sys, warnings
warnings.simplefilter("ignore")
pattern, names = json.load(sys.stdin)
try:
    search = re.compile(pattern).search
except (re.error, RecursionError, OverflowError) as error:
    answer = {"wrong": str(error)}
else:
    answer = {"found": [name for name in names if search(name)]}
json.dump(answer, sys.stdout)
"""


def found_by(pattern: str, names: Iterable[str] = ()) -> frozenset[str]:
    """The names in which the pattern is found; none for an empty pattern.

    Raises InvalidParams for what is no regular expression, and for one that takes longer than `MOST_S`.
    """
    if not pattern:
        return frozenset()
    asked = json.dumps([pattern, list(names)]).encode()
    try:
        done = subprocess.run([sys.executable, "-I", "-S", "-c", _TRIES], input=asked, capture_output=True, timeout=MOST_S, check=True)
    except subprocess.TimeoutExpired as error:
        told = f"The pattern of what to leave out takes longer than {MOST_S:g} seconds; write it without repetitions in repetitions."
        raise InvalidParams(told) from error
    except (OSError, subprocess.CalledProcessError) as error:
        raise InvalidParams("The pattern of what to leave out could not be tried on the names; try again, or try a shorter one.") from error
    answer = json.loads(done.stdout)
    if "wrong" in answer:
        raise InvalidParams(f"The pattern of what to leave out is no regular expression: {answer['wrong']}.")
    return frozenset(answer["found"])
