"""Does the queue lose, double or leave anything when everything goes wrong? Many clients, cancels, kills, no memory; then the books.

    python bench/soak.py [--jobs 500] [--clients 20] [--minutes 10]

Each client keeps two jobs in the queue of a real server with the engine in a process, and sends every request again (with the same
Idempotency-Key) until it is answered. Meanwhile the server is killed twice with SIGKILL and started again, the engine's process twice.
"""

import argparse
import contextlib
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))

from app.models import EMBEDDED
from tests.support.paths import ROOT
from tests.support.server import free_port

SECOND = "second.safetensors"
ENDED = ("done", "failed", "cancelled")
CANCELLED_SHARE = 0.1
OUTSTANDING = 2


class Server:
    """The server's process, and the engine's below it."""

    def __init__(self, data: Path) -> None:
        self.data, self.port = data, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it and waits for its first answer."""
        flags = ("--port", str(self.port), "--data-dir", str(self.data), "--engine", "process", "--device", "cpu", "--nowebui")
        with (self.data / "server.log").open("a") as log:
            self.process = subprocess.Popen([sys.executable, "bench/soak_server.py", *flags], cwd=ROOT, stdout=log, stderr=log)
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/api/v1/status", timeout=5).status_code == 200:
                    return
            time.sleep(0.3)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """As Ctrl+C."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(60)

    def engine(self) -> psutil.Process | None:
        """The engine's process."""
        with contextlib.suppress(psutil.NoSuchProcess):
            children = psutil.Process(self.process.pid).children()
            return next((child for child in children if "spawn_main" in " ".join(child.cmdline())), None)
        return None

    def megabytes(self) -> tuple[float, float]:
        """Resident memory of the server and of the engine."""
        with contextlib.suppress(psutil.NoSuchProcess):
            engine = self.engine()
            rest = engine.memory_info().rss if engine else 0
            return psutil.Process(self.process.pid).memory_info().rss / 1e6, rest / 1e6
        return 0.0, 0.0


@dataclass
class Books:
    """What the clients were told."""

    accepted: dict[str, int] = field(default_factory=dict)
    """Job to the pictures it was asked for."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    deadline: float = 0.0

    def late(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.deadline


def ask(http: httpx.Client, books: Books, method: str, url: str, **more: object) -> httpx.Response | None:
    """One request, sent again until the server is there; None when the time is up."""
    while not books.late():
        with contextlib.suppress(httpx.TransportError):
            answer = http.request(method, url, **more)
            if answer.status_code != 503:
                return answer
        time.sleep(0.5)
    return None


def client(number: int, server: Server, books: Books, jobs: int) -> None:
    """Asks for so many jobs, two at a time; drops some, and looks at all of its own as a reloaded page does."""
    chance = random.Random(number)
    # One for all its requests: each new one reads all certificates, which would cost more than the jobs.
    http = httpx.Client(timeout=30, cookies={"darkroom_client": f"{number:032x}"})
    open_jobs: list[str] = []
    left = jobs
    while (left or open_jobs) and not books.late():
        if left and len(open_jobs) < OUTSTANDING:
            job = submit(number, left, chance, server, books, http)
            left -= 1
            if job is not None:
                open_jobs.append(job)
                if chance.random() < CANCELLED_SHARE:
                    time.sleep(chance.random())
                    ask(http, books, "POST", f"{server.url}/api/v1/jobs/{job}/cancel")
            continue
        time.sleep(0.3 + chance.random() / 2)
        told = ask(http, books, "GET", f"{server.url}/api/v1/jobs?limit=50")
        states = {entry["id"]: entry["state"] for entry in told.json()} if told is not None else {}
        open_jobs = [job for job in open_jobs if states.get(job) not in ENDED]


def submit(number: int, left: int, chance: random.Random, server: Server, books: Books, http: httpx.Client) -> str | None:
    """Hands in one job; its id."""
    side, n_iter, batch = chance.choice((64, 128)), chance.choice((1, 1, 2)), chance.choice((1, 1, 2))
    wanted = {
        "prompt": chance.choice(("a lighthouse", "a bowl of fruit", "an old stone bridge")),
        "steps": chance.randint(2, 4),
        "sampler": chance.choice(("Euler", "Euler a", "DPM++ 2M")),
        "width": side,
        "height": side,
        "n_iter": n_iter,
        "batch_size": batch,
        "checkpoint": SECOND if chance.random() < 0.3 else f"{EMBEDDED}.safetensors",
    }
    key = {"Idempotency-Key": f"{number}-{left}"}
    answer = ask(http, books, "POST", f"{server.url}/api/v1/jobs", json=wanted, headers=key)
    if answer is None:
        return None
    assert answer.status_code == 202, answer.text
    job = str(answer.json()["id"])
    with books.lock:
        books.accepted[job] = n_iter * batch
    return job


def harm(server: Server, books: Books, jobs: int, seen: list[tuple[str, float, float]]) -> None:
    """Kills server and engine in turn as the jobs come in; samples the memory before each blow."""
    for part, what in ((0.15, "server"), (0.35, "engine"), (0.55, "server"), (0.75, "engine")):
        while len(books.accepted) < part * jobs and not books.late():
            time.sleep(0.2)
        seen.append((f"{len(books.accepted)} accepted, before {what} is killed", *server.megabytes()))
        if what == "server":
            server.kill()
            server.start()
        elif (engine := server.engine()) is not None:
            engine.kill()


def findings(data: Path, books: Books) -> tuple[Counter[str], int, list[str]]:
    """(jobs by state, pictures, what is wrong) from the database and the folder, not from what the server says."""
    connection = sqlite3.connect(data / "darkroom.sqlite3")
    states = dict(connection.execute("SELECT id, state FROM jobs").fetchall())
    reasons = dict(connection.execute("SELECT id, error_message FROM jobs").fetchall())
    print(f"why jobs failed: {dict(connection.execute('SELECT error_message, count(*) FROM jobs WHERE error_code NOT NULL GROUP BY 1'))}")
    pictures: dict[str, list[tuple[int, str]]] = {}
    for job, number, path in connection.execute("SELECT job, number, path FROM pictures WHERE number >= 0"):
        pictures.setdefault(job, []).append((number, path))
    connection.close()
    wrong = [f"accepted and not written down: {job}" for job in books.accepted.keys() - states.keys()]
    wrong += [f"written down and nobody was told: {job}" for job in states.keys() - books.accepted.keys()]
    for job, state in states.items():
        made = sorted(pictures.get(job, []))
        if state not in ENDED:
            wrong.append(f"{job} is {state}")
        elif state == "done" and [number for number, _ in made] != list(range(books.accepted.get(job, 0))):
            wrong.append(f"{job} has pictures {made}, wanted {books.accepted.get(job)}")
        elif state == "failed" and not reasons[job]:
            wrong.append(f"{job} failed without a reason")
    recorded = [path for made in pictures.values() for _, path in made]
    folder = data / "outputs" / "txt2img-images"
    there = [path.relative_to(data / "outputs").as_posix() for path in folder.rglob("*") if path.is_file()]
    wrong += [f"recorded twice: {path}" for path, times in Counter(recorded).items() if times > 1]
    wrong += [f"recorded and not there: {path}" for path in set(recorded) - set(there)]
    wrong += [f"there and not recorded: {path}" for path in set(there) - set(recorded)]
    return Counter(states.values()), len(recorded), wrong


def main() -> int:
    """Runs it; 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        models = data / "models" / "Stable-diffusion"
        models.mkdir(parents=True)
        (models / SECOND).write_bytes((ROOT / "models" / "Stable-diffusion" / f"{EMBEDDED}.safetensors").read_bytes())
        server, books, seen = Server(data), Books(), list[tuple[str, float, float]]()
        server.start()
        begun = time.monotonic()
        books.deadline = begun + 60 * options.minutes
        threads = [
            threading.Thread(target=client, args=(number, server, books, options.jobs // options.clients))
            for number in range(1, options.clients + 1)
        ]
        threads.append(threading.Thread(target=harm, args=(server, books, options.jobs, seen)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seen.append((f"{len(books.accepted)} accepted, at the end", *server.megabytes()))
        status = httpx.get(f"{server.url}/api/v1/status", timeout=30).json()
        seconds = time.monotonic() - begun
        server.stop()
        states, pictures, wrong = findings(data, books)
    print(f"{len(books.accepted)} jobs of {options.clients} clients in {seconds:.0f} s: {dict(states)}, {pictures} pictures kept")
    print(f"engine deaths since the last start of the server: {status['engine_deaths']}")
    for what, mine, engine in seen:
        print(f"{what:45} server {mine:6.0f} MB  engine {engine:6.0f} MB")
    if books.late():
        print("The time was up before all jobs had ended: those that are queued or running below are not faults; ask for more minutes.")
    print(f"{len(wrong)} things are wrong" + "".join(f"\n  {thing}" for thing in wrong[:20]))
    return 1 if wrong or books.late() or len(books.accepted) != options.jobs else 0


if __name__ == "__main__":
    sys.exit(main())
