"""What the checks here share: the list of them, a moved copy of the library, programs under a watchdog."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OUT = ROOT / "out"
CC = os.environ.get("CC", "cc")
SECONDS = 120  # Far more than any program here needs: what takes longer hangs.
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]
KINDS = ["threads", "processes"]

sys.path.insert(0, str(HERE.parent))
import tools  # noqa: E402

checks = []


class Failure(Exception):
    """What was promised is not so."""


def check(function):
    """Enters a function in the list. Its name is the promise; it gets an empty folder to work in."""
    checks.append(function)
    return function


def expect(truth, words):
    if not truth:
        raise Failure(words)


def run(*command, cwd=None, expected=0, **environment):
    """Runs a program in a process group of its own; answers with what it printed."""
    words = [str(word) for word in command]
    variables = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS")}
    variables.update({name: str(value) for name, value in environment.items()})
    with tempfile.TemporaryFile("w+", errors="replace") as printed:
        # A file, not a pipe: nobody waits for a process that was left behind.
        process = subprocess.Popen(
            words, cwd=cwd, env=variables, stdin=subprocess.DEVNULL, stdout=printed, stderr=printed, start_new_session=True
        )
        try:
            code = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            code = f"none after {SECONDS} s"
            process.wait()
        printed.seek(0)
        text = printed.read()
    expect(code == expected, f"$ {shlex.join(words)}\n{text}exit code {code}, not {expected}")
    return text


_moved = None


def prefix():
    """The folder that `make` leaves, copied to where it was not built. One copy serves all checks."""
    global _moved
    if _moved is None:
        expect((OUT / "lib/libcarpool.a").exists(), "out/lib/libcarpool.a is missing: run make first")
        _moved = tempfile.TemporaryDirectory(prefix="carpool moved ")
        for part in ("include", "lib", "libexec"):
            shutil.copytree(OUT / part, Path(_moved.name, part), symlinks=True)
    return Path(_moved.name)


def library():
    """The shared library's file in the moved folder."""
    files = [path for path in prefix().glob("lib/libcarpool.so.*") if not path.is_symlink()]
    expect(len(files) == 1, f"not one library but {files}")
    return files[0]


def dynamic(binary):
    """The dynamic section as {tag: [values]}, such as {"NEEDED": ["libc.so.6"]}."""
    entries = {}
    for line in run("readelf", "--wide", "--dynamic", binary).splitlines():
        words = line.split(maxsplit=2)
        if len(words) == 3 and words[0].startswith("0x"):
            value = words[2].split("[")[-1].rstrip("]") if "[" in words[2] else words[2]
            entries.setdefault(words[1].strip("()"), []).append(value)
    return entries


def links_to(binary, shared):
    """Expects that a program needs the shared library by its name alone, or not at all."""
    entries = dynamic(binary)
    needed = [name for name in entries.get("NEEDED", []) if "carpool" in name]
    version = library().name.split(".so.")[1].split(".")[0]
    wanted = [f"libcarpool.so.{version}"] if shared else []
    expect(needed == wanted, f"{binary.name} needs {needed}, not {wanted}")


def both_kinds(program, *arguments, **environment):
    for kind in KINDS:
        run(program, *arguments, kind, **environment)


def fails(function):
    """Runs a check in a folder of its own. What is wrong, in words, or None; raises tools.Missing."""
    with tempfile.TemporaryDirectory(prefix="carpool check ") as folder:
        try:
            function(Path(folder))
        except Failure as failure:
            return str(failure)
    return None
