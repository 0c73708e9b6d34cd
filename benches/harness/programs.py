"""The measuring programs: made ready once, and run once at a time."""

import json
import os
import signal
import subprocess
import tempfile

from harness import build

WATCHDOG_S = 90  # the slowest run takes a minute
SKIPPED = 77


class Failure(Exception):
    """A program that gave no figures, and will not do so in the next round either."""


COMMANDS, SKIPPED_FOR = {}, {}  # by program: what starts it, or why it cannot be


def compile_all(programs):
    """Makes the programs ready to run, as far as that goes."""
    for program in sorted(set(programs)):
        try:
            COMMANDS[program] = build.command(program)
        except build.Missing as why:
            SKIPPED_FOR[program] = str(why)


def run(command):
    """Runs one candidate once and returns its line of JSON as a dict."""
    program, *arguments = command
    if program in SKIPPED_FOR:
        raise Failure(f"skipped: {SKIPPED_FOR[program]}")
    # Files, not pipes: a process that was left behind could hold a pipe open.
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        argv = [*COMMANDS[program], *arguments]
        process = subprocess.Popen(argv, stdout=out, stderr=err, start_new_session=True)
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
