#!/usr/bin/env python3
"""The one command: makes .venv beside itself, installs what is missing, and runs Darkroom in it. Standard library only.

    python webui.py                 serve the page at http://127.0.0.1:3000
    python webui.py test            install the test extras and run the test suite
    python webui.py txt2img ...     a picture without a server (img2img, info likewise)
    python webui.py --help          all flags
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
MARKER = VENV / "darkroom-installed.json"
OLDEST_PYTHON = (3, 11)
WINDOWS = sys.platform == "win32"
CUDA_INDEX = "https://download.pytorch.org/whl/cu130"
"""PyTorch's own index: on Windows the default one has CPU builds only."""
NEEDED_BYTES = 4 * 1024**3
OFFLINE_SIGNS = (
    "name resolution",
    "getaddrinfo",
    "newconnectionerror",
    "connecttimeout",
    "connection refused",
    "proxyerror",
    "network is unreachable",
)
"""What pip says when it reaches no index, in any of its wordings."""

USAGE = (
    __doc__
    + """
Darkroom is not installed yet: `python webui.py` installs it into .venv, after which --help lists every flag.
Flags of the installation (they work later, too):
  --torch-index URL   where torch comes from (also DARKROOM_TORCH_INDEX): an index address, or "default"
  --skip-install      run in this Python as it is (also DARKROOM_SKIP_INSTALL=1)
  --reinstall         make .venv anew
"""
)


class SetupError(Exception):
    """The installation cannot go on; the message says why and what to do."""


def main(argv: "list[str]") -> int:
    """Installs if needed, then hands over; the program's exit status."""
    if sys.version_info < OLDEST_PYTHON:
        here, wanted = sys.version.split()[0], ".".join(map(str, OLDEST_PYTHON))
        print(f"Darkroom needs Python {wanted} or newer; this is {here}. Start webui.py with a newer Python.", file=sys.stderr)
        return 1
    argv, options = own_flags(argv)
    try:
        if options["skip_install"] or Path(sys.prefix).resolve() == VENV.resolve():
            return run_here(argv)
        asks_help = "--help" in argv or "-h" in argv
        if asks_help and not MARKER.exists():
            print(USAGE)
            return 0
        extras = ["test"] if argv[:1] == ["test"] else []
        if not asks_help:
            install(extras, options["torch_index"], anew=bool(options["reinstall"]))
        return rerun(argv)
    except SetupError as error:
        print(f"webui.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nwebui.py: stopped; the next start goes on with the installation.", file=sys.stderr)
        return 130


def own_flags(argv: "list[str]") -> "tuple[list[str], dict[str, str | bool | None]]":
    """Takes the installation's flags out of the arguments."""
    options: dict[str, str | bool | None] = {
        "torch_index": os.environ.get("DARKROOM_TORCH_INDEX"),
        "skip_install": bool(os.environ.get("DARKROOM_SKIP_INSTALL")),
        "reinstall": False,
    }
    rest, i = [], 0
    while i < len(argv):
        if argv[i] == "--torch-index" and i + 1 < len(argv):
            options["torch_index"] = argv[i + 1]
            i += 1
        elif argv[i].startswith("--torch-index="):
            options["torch_index"] = argv[i].partition("=")[2]
        elif argv[i] in ("--skip-install", "--skip-prepare-environment"):
            options["skip_install"] = True
        elif argv[i] in ("--reinstall", "--reinstall-torch"):
            options["reinstall"] = True
        else:
            rest.append(argv[i])
        i += 1
    return rest, options


def run_here(argv: "list[str]") -> int:
    """Runs the program in this interpreter."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    sys.path.insert(0, str(ROOT))
    if argv[:1] == ["test"]:
        return subprocess.call([sys.executable, "-m", "pytest", *argv[1:]], cwd=ROOT)
    try:
        from app.cli import main as run
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "app":
            raise
        raise SetupError(f"{error.name} is not installed in this Python. Start without --skip-install, and it will be.") from error
    return int(run(argv))


def rerun(argv: "list[str]") -> int:
    """Starts this file again in .venv, in the place of this process where the system can do that."""
    command = [str(venv_python()), str(ROOT / "webui.py"), *argv]
    if WINDOWS:
        try:
            return subprocess.call(command)
        except KeyboardInterrupt:
            return 130
    os.execv(command[0], command)


def venv_python() -> Path:
    """The interpreter of .venv."""
    return VENV / ("Scripts/python.exe" if WINDOWS else "bin/python")


def requirements(extras: "list[str]") -> "list[str]":
    """What pyproject.toml asks for."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [*project["dependencies"], *(r for extra in extras for r in project["optional-dependencies"][extra])]


def fingerprint(wanted: "list[str]") -> str:
    """Changes when the requirements, the tested versions or the Python version do."""
    text = json.dumps([wanted, (ROOT / "constraints.txt").read_text(encoding="utf-8"), sys.version_info[:2]])
    return hashlib.sha256(text.encode()).hexdigest()


def installed() -> "dict[str, str]":
    """What the last finished installation wrote: extras to fingerprint."""
    try:
        found = json.loads(MARKER.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def install(extras: "list[str]", torch_index: "str | bool | None", anew: bool) -> None:
    """Brings .venv to what pyproject.toml asks for; does nothing when it is there. SetupError with one sentence."""
    wanted, name = requirements(extras), "+".join(extras) or "plain"
    done = installed()
    if not anew and done.get(name) == fingerprint(wanted) and venv_python().exists():
        return
    if not extras and not anew and done.get("test") == fingerprint(requirements(["test"])):
        return  # the test extras hold everything the plain set-up has
    print(f"Setting up Darkroom in {VENV.name} (this happens once, and again after an update) ...", flush=True)
    check_disk()
    MARKER.unlink(missing_ok=True)  # from here on until the end the installation counts as unfinished
    make_venv(anew)
    with_torch_kept = constraints()
    if not torch_version():
        pip("install", "torch", *torch_source(torch_index), "-c", str(with_torch_kept))
        with_torch_kept = constraints()
    pip("install", *wanted, "-c", str(with_torch_kept))
    done[name] = fingerprint(wanted)
    temporary = MARKER.with_suffix(".tmp")
    temporary.write_text(json.dumps(done), encoding="utf-8")
    temporary.replace(MARKER)
    print("Set up.", flush=True)


def make_venv(anew: bool) -> None:
    """Makes .venv, or makes it again where its interpreter is gone or does not run."""
    usable = venv_python().exists() and subprocess.call([str(venv_python()), "-c", "import pip"], stderr=subprocess.DEVNULL) == 0
    if usable and not anew:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True)
    if made.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        said = made.stdout + made.stderr
        hint = "Install your system's python3-venv package." if "ensurepip" in said else reason(said)
        raise SetupError(f"the environment {VENV} could not be made. {hint}")


def torch_version() -> str:
    """The version of a torch in .venv that imports; empty if there is none. It is never installed again."""
    code = "import torch; print(torch.__version__)"
    found = subprocess.run([str(venv_python()), "-c", code], capture_output=True, text=True)
    version = found.stdout.strip() if found.returncode == 0 else ""
    oldest = next(r.partition(">=")[2] for r in requirements([]) if r.startswith("torch>="))
    return version if version and numbers(version) >= numbers(oldest) else ""


def numbers(version: str) -> "list[int]":
    """The release numbers of a version, for comparing: 2.13.0+cu130 gives [2, 13, 0]."""
    return [int(part) for part in version.partition("+")[0].split(".") if part.isdigit()]


def constraints() -> Path:
    """The tested versions, but with the torch that is already there in the place of the tested one."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    version = torch_version()
    if version:
        lines = [f"torch=={version}" if line.startswith("torch==") else line for line in lines]
    path = VENV / "darkroom-constraints.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def torch_source(index: "str | bool | None") -> "list[str]":
    """pip's arguments for the torch build that fits this machine."""
    if isinstance(index, str) and index != "default":
        return ["--index-url", index]
    if index is None and WINDOWS and shutil.which("nvidia-smi"):
        return ["--index-url", CUDA_INDEX]
    return []


def check_disk() -> None:
    """SetupError when there is clearly no room."""
    free = shutil.disk_usage(ROOT).free
    if free < NEEDED_BYTES and not venv_python().exists():
        have, need = f"{free / 1024**3:.1f} GiB", f"about {NEEDED_BYTES / 1024**3:.0f}"
        raise SetupError(f"{have} are free in {ROOT}, and the packages need {need}. Make room and start again.")


def pip(*arguments: str) -> None:
    """Runs pip in .venv, its progress on the terminal; SetupError with one sentence when it fails."""
    command = [str(venv_python()), "-m", "pip", "--disable-pip-version-check", *arguments]
    said = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace") as process:
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line)
            if not line.startswith("WARNING: Location"):
                sys.stderr.write(line)
    if process.returncode:
        raise SetupError(f"the packages could not be installed. {reason(''.join(said))} The next start goes on where this one stopped.")


def reason(output: str) -> str:
    """One sentence for the commonest causes; else pip's own last words."""
    text = output.lower()
    if "no space left" in text or "errno 28" in text or "not enough space" in text:
        return "The disk is full: make room."
    if any(sign in text for sign in OFFLINE_SIGNS):
        return "There is no connection to the package index: check the network (and the proxy, if you have one)."
    if "permission denied" in text or "errno 13" in text:
        return f"{ROOT} may not be written to by this user."
    last = [line.strip() for line in output.splitlines() if line.strip()]
    return f"The installer says: {last[-1]}" if last else "The installer said nothing."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
