"""What runs in the engine's own process: the loop, a thread that reads messages, a thread that says how far it is."""

import contextlib
import faulthandler
import logging
import os
import queue
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from app.engine.client import Cancelled, Done, EngineStatus, Event, Failed
from app.engine.messages import Message
from app.models import Catalog
from app.prompt import Tokenizer
from app.schema.settings import ServerSettings

if TYPE_CHECKING:
    from app.engine.loop import EngineLoop

LoopBuilder = Callable[["queue.SimpleQueue[Message]", ServerSettings, Catalog, Tokenizer, Callable[[Event], None]], "EngineLoop"]
PULSE_S = 1.0
PARENT_GONE = 3
"""Exit status."""


@dataclass(frozen=True)
class RefreshModels:
    """The model folders were looked through again: do the same before the next message."""


@dataclass(frozen=True)
class Pulse:
    """How far the loop is; sent every second and before a job's end."""

    turns: int
    status: EngineStatus


@dataclass(frozen=True)
class NotStarted:
    """The loop could not be built; the process ends."""

    reason: str


def serve(connection: "Connection[object, object]", settings: ServerSettings, build: LoopBuilder | None) -> None:
    """Runs the engine until `Close`, or until the other end of the connection is gone. `build` stands in for `build_loop`."""
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches the whole group; the server says when to end
    logging.basicConfig(level=logging.WARNING)
    inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
    sending = threading.Lock()

    def send(news: Event | Pulse | NotStarted) -> None:
        with sending, contextlib.suppress(BrokenPipeError):  # the reader sees the end of the parent, too
            connection.send(news)

    catalog = Catalog(settings)
    threading.Thread(target=_read, args=(connection, inbox, catalog), name="messages", daemon=True).start()
    try:
        if build is None:
            from app.engine.build import build_loop

            build = build_loop
        loop: EngineLoop = build(inbox, settings, catalog, Tokenizer(), lambda event: _tell(loop, event, send))
    except Exception as error:
        logging.getLogger(__name__).exception("the engine did not start")
        send(NotStarted(str(error)))
        return
    send(Pulse(loop.turns, loop.status()))
    threading.Thread(target=_beat, args=(loop, send), name="pulse", daemon=True).start()
    loop.run()


def _tell(loop: "EngineLoop", event: Event, send: Callable[[Event | Pulse], None]) -> None:
    if isinstance(event, Done | Failed | Cancelled):
        send(Pulse(loop.turns, loop.status()))
    send(event)


def _read(connection: "Connection[object, object]", inbox: "queue.SimpleQueue[Message]", catalog: Catalog) -> None:
    try:
        while True:
            message = connection.recv()
            if isinstance(message, RefreshModels):
                catalog.refresh()
            else:
                inbox.put(message)  # type: ignore[arg-type]  # the parent sends nothing else
    except (EOFError, OSError):
        os._exit(PARENT_GONE)  # nobody is left to make pictures for; a forward may still hold the main thread


def _beat(loop: "EngineLoop", send: Callable[[Pulse], None]) -> None:
    pause = threading.Event()
    while not pause.wait(PULSE_S):
        send(Pulse(loop.turns, loop.status()))
