"""Work of recipes that needs no device, in threads beside the loop: its answers come back as messages, between forwards."""

from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from functools import partial
from threading import BoundedSemaphore

from app.engine.messages import AsideDone
from app.recipes.ops import Aside, Worked

AT_ONCE_S = 0.01
"""What is done so soon is answered on the spot: a small picture's job then need not wait for the end of a forward."""
THREADS = 2
"""One large picture holds up no small one, and few large ones are in memory at once."""


class AsideWork:
    """The threads; `tell` puts a message into the loop's inbox."""

    def __init__(self, tell: Callable[[AsideDone], None]) -> None:
        self._tell, self._room, self._closed = tell, BoundedSemaphore(THREADS), False

    def begin(self, job: str, op: Aside) -> Worked | None:
        """The answer if it is there at once (or whatever the work raised); None: it comes as an `AsideDone`."""
        with_its_thread = ThreadPoolExecutor(1, thread_name_prefix="aside")  # which ends with it: see `app.engine.waits`
        future = with_its_thread.submit(self._work, op)
        with_its_thread.shutdown(wait=False)
        if future in wait((future,), AT_ONCE_S).done:
            return Worked(future.result())
        future.add_done_callback(partial(self._done, job, op))
        return None

    def _work(self, op: Aside) -> object:
        with self._room:
            if self._closed:
                raise CancelledError
            return op.work()

    def _done(self, job: str, op: Aside, future: Future[object]) -> None:
        self._tell(AsideDone(job, op, future))

    def close(self) -> None:
        """Begins nothing more; what is being done ends unheard."""
        self._closed = True
