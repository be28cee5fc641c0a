"""Scripts: plans that ask for several jobs and put their pictures together, as A1111's selectable scripts do.

A `Script` is an entry of the `ScriptTable`: a name, declared arguments, and a `plan` from a request's settings to a generator over
steps (`Draw` these jobs, `Show` this picture ...). A plan makes no picture and knows no engine, queue or file: `app.jobs` runs it, and
after a restart runs it again from its beginning, so plans have to be deterministic. Imports no torch.
"""

from app.scripts.arguments import Argument, Given
from app.scripts.script import Draw, Drawn, Open, Outcome, Picture, Plan, Script, Setting, Show, Step, Store, Task, check_tasks
from app.scripts.table import BUILT_IN, ScriptTable
from app.scripts.told import ToldScript, told_script

__all__ = [
    "BUILT_IN",
    "Argument",
    "Draw",
    "Drawn",
    "Given",
    "Open",
    "Outcome",
    "Picture",
    "Plan",
    "Script",
    "ScriptTable",
    "Setting",
    "Show",
    "Step",
    "Store",
    "Task",
    "ToldScript",
    "check_tasks",
    "told_script",
]
