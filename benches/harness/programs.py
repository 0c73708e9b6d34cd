"""Runs the programs that measure: prepares each once, then runs one at a time under a watchdog."""

import json
import os
import signal
import subprocess
import tempfile

from harness import build

WATCHDOG_S = 90  # the slowest run takes a minute
SKIPPED = 77


class Failure(Exception):
    """A program printed no numbers, and would not in the next round either."""


COMMANDS, SKIP_REASONS = {}, {}  # by program: the command that starts it, or why there is none


def compile_all(programs):
    """Prepares all programs that can be run here."""
    for program in sorted(set(programs)):
        try:
            COMMANDS[program] = build.command(program)
        except build.Missing as why:
            SKIP_REASONS[program] = str(why)


def run(command):
    """Runs a candidate once and returns its line of JSON as a dict."""
    program, *arguments = command
    if program in SKIP_REASONS:
        raise Failure(f"skipped: {SKIP_REASONS[program]}")
    # Files, not pipes: a process that was left behind could hold a pipe open.
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        argv = [*COMMANDS[program], *arguments]
        process = subprocess.Popen(argv, stdout=out, stderr=err, start_new_session=True)
        try:
            code = process.wait(WATCHDOG_S)
        except subprocess.TimeoutExpired:
            raise Failure(f"timed out after {WATCHDOG_S} s") from None
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
