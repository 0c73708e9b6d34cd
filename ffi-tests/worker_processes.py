"""Finds the worker processes of a program. They are no children of it."""

import contextlib
import re
from pathlib import Path


def workers_of(pid):
    """The worker processes of a process; none where it is gone. Each has a pidfd of the process, by which
    it sees its end, and the name of its pool and its own number as its name."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if re.search(r"/\d+$", (process / "comm").read_text().rstrip()) and has_handle_of(process, pid):
                found.append(int(process.name))
    return found


def has_handle_of(process, pid):
    for descriptor in (process / "fdinfo").iterdir():
        with contextlib.suppress(OSError):
            if re.search(rf"^Pid:\t{pid}$", descriptor.read_text(), re.MULTILINE):
                return True
    return False
