"""The environment of FewLabel: one virtual environment, created once and shared by all scripts.

A script calls `ensure_environment()` before it imports anything from outside the standard library:

    if __name__ == "__main__":
        ensure_environment()
        from package import ...  # from here on inside .venv

This file, and every script that calls it, must be parsed by any Python from 3.6 on (quoted annotations,
no `match`, no `:=`), so that an unsuitable Python gets a sentence and not a SyntaxError.

Run by itself it only makes the environment, or goes on where an interrupted set-up stopped:

    python3 scripts/environment.py

Environment variables: FEWLABEL_VENV (folder of the environment), FEWLABEL_TORCH_INDEX (package index to
take torch from, for example one of https://download.pytorch.org/whl/; see pytorch.org).
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUITABLE = ("3.12", "3.11", "3.10")
CPU_TORCH = "https://download.pytorch.org/whl/cpu"
TROUBLE = 2  # exit code of every failed set-up

SILENT = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
# file -> options of pip; installed in this order
RUNTIME = {"requirements.txt": [], "requirements-monailabel.txt": ["--no-deps"]}
DEVELOPMENT = {"requirements-exports.txt": [], "requirements-dev.txt": []}
IMPORTED = ("monailabel.app", "monailabel.main", "monailabel.tasks.train.basic_train", "matplotlib.pyplot")
NETWORK_SIGNS = (
    r"NewConnectionError|new connection|NameResolutionError|name resolution|ConnectTimeout|ReadTimeout|"
    r"ProxyError|SSLError|Network is unreachable|Connection (?:aborted|broken|reset)|IncompleteRead|incomplete-download"
)


class SetupTrouble(Exception):
    """One sentence for the person who runs the script: what, where, and what to do."""


def ensure_environment(development: "bool" = False) -> "None":
    """Return inside a complete environment; otherwise create it and run the calling script again in it.

    Args:
        development: also install what tests and style checks need.

    Ends the process with exit code 2 and one sentence if the environment cannot be had.
    """
    folder = environment_folder()
    try:
        prepare(folder, development)
    except SetupTrouble as trouble:
        print(f"Set-up stopped: {trouble}", file=sys.stderr, flush=True)
        sys.exit(TROUBLE)
    except OSError as error:
        print(f"Set-up stopped: {error}; check that {folder} is writable.", file=sys.stderr, flush=True)
        sys.exit(TROUBLE)
    except KeyboardInterrupt:
        print("\nSet-up interrupted; the next start goes on from here.", file=sys.stderr, flush=True)
        sys.exit(130)
    if Path(sys.prefix).resolve() != folder.resolve():
        restart(environment_python(folder))
    sys.path.insert(0, str(ROOT / "apps" / "fewlabel"))  # the package `fewlabel`


def environment_folder() -> "Path":
    """Where the environment is: FEWLABEL_VENV, or .venv in the repository."""
    return Path(os.environ.get("FEWLABEL_VENV") or ROOT / ".venv").expanduser().absolute()


def environment_python(folder: "Path") -> "Path":
    """The interpreter of a virtual environment, existing or not."""
    return folder / "Scripts" / "python.exe" if os.name == "nt" else folder / "bin" / "python"


def restart(python: "Path") -> "None":
    """Run the calling script again with another interpreter and the same arguments."""
    command = [str(python), *sys.argv]
    sys.stdout.flush()
    if os.name == "nt":  # exec on Windows loses quotes and returns to the shell at once
        sys.exit(subprocess.call(command))
    os.execv(command[0], command)


def prepare(folder: "Path", development: "bool") -> "None":
    """Create the environment if it is missing or broken, then install what is missing or has changed."""
    version = version_of([str(environment_python(folder))])
    if version not in SUITABLE or not (folder / "pyvenv.cfg").exists():
        create(folder)
        version = version_of([str(environment_python(folder))])
    wanted = dict(RUNTIME, **DEVELOPMENT) if development else RUNTIME
    missing = [name for name in wanted if not is_installed(folder, name, version)]
    if not missing:
        return
    ensure_pip(environment_python(folder))
    print(f"Setting up FewLabel in {folder} (once; a few minutes, about 2 GB).", flush=True)
    start = time.monotonic()
    (folder / "install.log").write_text("")
    for name in missing:
        install(folder, name, wanted[name])
    check_imports(folder)
    for name in missing:
        stamp(folder, name).write_text(fingerprint(name, version))
    print(f"Set-up took {time.monotonic() - start:.0f} s.", flush=True)


def version_of(command: "list[str]") -> "str":
    """Version such as "3.11" of a Python command; "" if it is missing or does not run."""
    asked = [*command, "-c", "import sys; print('{}.{}'.format(*sys.version_info))"]
    try:
        output = subprocess.check_output(asked, stderr=subprocess.DEVNULL, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return ""
    return output.decode().strip()


def suitable_python() -> "list[str]":
    """Command of a Python that FewLabel runs on: the running one, or one found on PATH."""
    running = "{}.{}".format(*sys.version_info)
    if running in SUITABLE:
        return [sys.executable]
    for version in SUITABLE:
        launcher = ["py", "-" + version] if os.name == "nt" else ["python" + version]
        if version_of(launcher) == version:
            print(f"Python {running} is not supported; using Python {version}.", flush=True)
            return launcher
    raise SetupTrouble(
        f"FewLabel runs on Python 3.10, 3.11 or 3.12; this is Python {running} and none of those is on "
        "the PATH; install one of them (https://www.python.org/downloads/) and run this again."
    )


def create(folder: "Path") -> "None":
    """Create an empty virtual environment; a broken one is replaced, any other folder is left alone."""
    occupied = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    if occupied and not (folder / "pyvenv.cfg").exists():
        raise SetupTrouble(
            f"{folder} exists and is no virtual environment; move it away or set FEWLABEL_VENV to another folder."
        )
    command = [*suitable_python(), "-m", "venv", "--clear", str(folder)]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode != 0:
        lines = result.stdout.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise SetupTrouble(
            f"{folder} could not be created ({lines[-1].strip()}); check that the folder is writable, "
            "and on Debian and Ubuntu install the package python3-venv."
        )


def ensure_pip(python: "Path") -> "None":
    """Put pip into an environment that was made without it, as some tools do."""
    if subprocess.call([str(python), "-m", "pip", "--version"], **SILENT) == 0:
        return
    if subprocess.call([str(python), "-m", "ensurepip"], **SILENT) != 0:
        raise SetupTrouble(f"{python} has no pip; delete its environment and run this again.")


def fingerprint(name: "str", version: "str") -> "str":
    """What a stamp holds: the requirement file's content and the Python version, hashed."""
    content = (ROOT / name).read_text(encoding="utf-8")
    return hashlib.sha256((version + "\n" + content).encode("utf-8")).hexdigest()


def stamp(folder: "Path", name: "str") -> "Path":
    """File that is written once everything has been installed and works."""
    return folder / ("installed-" + name)


def is_installed(folder: "Path", name: "str", version: "str") -> "bool":
    """True if this very requirement file was installed for this Python version."""
    path = stamp(folder, name)
    return path.exists() and path.read_text() == fingerprint(name, version)


def install(folder: "Path", name: "str", options: "list[str]") -> "None":
    """Install one requirement file with pip, telling what goes on; pip's own words go to install.log."""
    print(f"Installing {name} ...", flush=True)
    start = time.monotonic()
    log = folder / "install.log"
    command = [str(environment_python(folder)), "-m", "pip", "install", "--no-compile", "--no-input"]
    command += ["--disable-pip-version-check", "--retries", "2"]
    command += options + (torch_options() if name == "requirements.txt" else [])
    command += ["-r", str(ROOT / name)]
    with log.open("a", encoding="utf-8") as file:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for line in process.stdout:
            text = line.decode(errors="replace")
            file.write(text)
            show_progress(text)
    if process.wait() != 0:
        raise SetupTrouble(reason_of_failure(name, log))
    print(f"Installed {name} in {time.monotonic() - start:.0f} s.", flush=True)


def check_imports(folder: "Path") -> "None":
    """Import what the server imports: finds a broken set, and writes the byte code that starts need."""
    print("Checking that the packages work together ...", flush=True)
    variables = dict(os.environ, MONAI_LABEL_TRACKING_ENABLED="false")
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [str(environment_python(folder)), "-c", "import " + ", ".join(IMPORTED)]
    log = folder / "install.log"
    with log.open("a", encoding="utf-8") as file:
        failed = subprocess.call(command, env=variables, stdout=file, stderr=subprocess.STDOUT)
    if failed:
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1]
        raise SetupTrouble(f"the installed packages do not work together: {last} (more in {log}).")


def show_progress(line: "str") -> "None":
    """Print the parts of pip's output that take long: large downloads and the unpacking."""
    large = re.match(r"\s*(?:Downloading|Using cached) (\S+?)-\d\S* \((\d[\d.]* [MG]B)\)", line)
    if large:
        print(f"  {large.group(1)} ({large.group(2)})", flush=True)
    elif line.startswith("Installing collected packages"):
        print("  unpacking", flush=True)


def reason_of_failure(name: "str", log: "Path") -> "str":
    """One sentence for a failed pip run, from the log it left."""
    text = log.read_text(encoding="utf-8", errors="replace")
    if "No space left on device" in text:
        return f"the disk is full; free about 3 GB and run this again (pip's own words: {log})."
    if re.search(NETWORK_SIGNS, text):
        hint = "check the network or proxy and run this again"
        return f"the package index cannot be reached; {hint} (pip's own words: {log})."
    errors = [line.strip() for line in text.splitlines() if line.startswith("ERROR")] or ["no reason given"]
    return f"{name} could not be installed: {errors[-1][:300]} (all of pip's words: {log})."


def torch_options() -> "list[str]":
    """pip options that avoid gigabytes of CUDA libraries on a Linux machine without an NVIDIA GPU."""
    chosen = os.environ.get("FEWLABEL_TORCH_INDEX")
    if chosen:
        return ["--extra-index-url", chosen]
    if not sys.platform.startswith("linux") or shutil.which("nvidia-smi"):
        return []
    try:
        urllib.request.urlopen(CPU_TORCH + "/torch/", timeout=5).close()
    except OSError:
        print(f"  {CPU_TORCH} cannot be reached: torch comes from the usual package index.", flush=True)
        return []
    print("  no NVIDIA GPU found: taking the small CPU build of torch", flush=True)
    return ["--extra-index-url", CPU_TORCH]


if __name__ == "__main__":
    ensure_environment()
