"""The measuring programs: how they are compiled, and how one is run once."""

import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
OUT = Path(os.environ.get("OUT", HERE.parent / "out")).resolve()
CC = shlex.split(os.environ.get("CC", "gcc"))
WARNINGS = "-Wall -Wextra -Wpedantic -Werror".split()
CFLAGS = ["-std=c11", "-O2", *WARNINGS, "-pthread"]
LDFLAGS = [f"-L{OUT}/lib", "-lcarpool", "-Wl,-rpath,$ORIGIN/../lib"]

WATCHDOG_S = 90  # the slowest run takes a minute
SKIPPED = 77


class Failure(Exception):
    """A program that gave no figures, and will not do so in the next round either."""


def compile_all(programs):
    """Compiles what has to be compiled. Python programs are run as they are."""
    (OUT / "bench").mkdir(parents=True, exist_ok=True)
    for program in sorted(set(programs)):
        if not program.endswith(".py"):
            source, binary = HERE / f"{program}.c", OUT / "bench" / program
            subprocess.run(
                [*CC, *CFLAGS, f"-I{OUT}/include", "-o", binary, source, *LDFLAGS], check=True
            )


def run(command):
    """Runs one candidate once and returns its line of JSON as a dict."""
    program, *arguments = command
    argv = [sys.executable, HERE / program] if program.endswith(".py") else [OUT / "bench" / program]
    # Files, not pipes: a process that was left behind could hold a pipe open.
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen([*argv, *arguments], stdout=out, stderr=err, start_new_session=True)
        try:
            code = process.wait(WATCHDOG_S)
        except subprocess.TimeoutExpired:
            raise Failure(f"not done after {WATCHDOG_S} s") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        out.seek(0)
        err.seek(0)
        if code == SKIPPED:
            raise Failure(f"skipped: {err.read().strip()}")
        if code != 0:
            raise Failure(f"failed with {code}: {err.read().strip()}")
        return json.loads(out.read())
