"""Work of recipes that needs no device, in threads beside the loop: its answers come back as messages, between forwards."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial

from app.engine.messages import AsideDone
from app.recipes.ops import Aside, Worked

AT_ONCE_S = 0.01
"""What is done so soon is answered on the spot: a small picture's job then need not wait for the end of a forward."""
THREADS = 2
"""One large picture holds up no small one, and few large ones are in memory at once."""


class AsideWork:
    """The threads; `tell` puts a message into the loop's inbox."""

    def __init__(self, tell: Callable[[AsideDone], None]) -> None:
        self._tell = tell
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="aside")

    def begin(self, job: str, op: Aside) -> Worked | None:
        """The answer if it is there at once (or whatever the work raised); None: it comes as an `AsideDone`."""
        future = self._threads.submit(op.work)
        if future in wait((future,), AT_ONCE_S).done:
            return Worked(future.result())
        future.add_done_callback(partial(self._done, job, op))
        return None

    def _done(self, job: str, op: Aside, future: Future[object]) -> None:
        self._tell(AsideDone(job, op, future))

    def close(self) -> None:
        """Begins nothing more; what is being done ends unheard."""
        self._threads.shutdown(wait=False, cancel_futures=True)
