"""What `make test` does: one line for each step, its output in out/log, and the count at the end.

A tool that is missing makes a step, or a part of one, print `skip: what: why`. With REQUIRE=all that
is a failure.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import tools

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "out" / "log"
SECONDS = 1800  # No step needs nearly as long, not even one that compiles everything: what does, hangs.
REQUIRED = os.environ.get("REQUIRE") == "all"
CARGO = os.environ.get("CARGO", "cargo")
PYTHON = sys.executable
TARGET = os.environ.get("CARGO_TARGET_DIR", "target")

# (log, promise, command, environment, tools without which it is skipped, whether its output is shown)
STEPS = [
    ("build", "the library and the examples are built", ["make", "all", "examples"], {}, [], False),
    ("fmt", "the code is formatted", [CARGO, "fmt", "--check", "--", "--color=never"], {}, ["cargo-fmt"], False),
    (
        "clippy",
        "clippy has nothing to say",
        [CARGO, "clippy", "--locked", "--all-targets", "--", "-D", "warnings"],
        {},
        ["cargo-clippy"],
        False,
    ),
    ("test", "cargo's tests and the C programs pass", [CARGO, "test", "--locked", "--no-fail-fast"], {}, [], True),
    (
        "loom",
        "the protocols hold in every order of steps",
        [CARGO, "test", "--locked", "--release", "--lib"],
        {
            "RUSTFLAGS": "--cfg loom",
            "LOOM_MAX_PREEMPTIONS": "2",
            "CARGO_TARGET_DIR": f"{TARGET}/loom",
            "CARGO_PROFILE_RELEASE_LTO": "off",  # It costs more time than it saves.
        },
        [],
        False,
    ),
    (
        "doc",
        "no link in the documentation is broken",
        [CARGO, "doc", "--locked", "--no-deps", "--document-private-items"],
        {"RUSTDOCFLAGS": "-D rustdoc::broken_intra_doc_links"},
        [],
        False,
    ),
    ("report", "the pages of measured results agree with their record", [PYTHON, "benches/report/page.py", "--check"], {}, [], True),
    ("header", "the header pleases compilers", [PYTHON, "ffi-tests/consumers/run.py", "header"], {}, [], True),
    (
        "consumers",
        "projects elsewhere can use what is installed",
        [PYTHON, "ffi-tests/consumers/run.py", "library", "links", "packages"],
        {},
        [],
        True,
    ),
    (
        "languages",
        "other languages read the declarations",
        [PYTHON, "ffi-tests/consumers/run.py", "languages"],
        {},
        [],
        True,
    ),
    (
        "asan",
        "AddressSanitizer and LeakSanitizer have nothing to say of a few programs",
        [PYTHON, "ffi-tests/sanitizers.py", "asan", "--short"],
        {},
        [],
        True,
    ),
    ("loops", "event loops of others can drive a pool", [PYTHON, "ffi-tests/consumers/run.py", "loops"], {}, [], True),
]


def run(log, command, environment, shown):
    """Runs a step under the watchdog; whether it passed, and the lines in which it skipped something."""
    # The make that started this one shares nothing with those that are started from here.
    inherited = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS")}
    skips = []
    with open(log, "w", errors="replace") as file:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**inherited, **environment, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        watchdog = threading.Timer(SECONDS, os.killpg, (process.pid, signal.SIGKILL))
        watchdog.start()
        for line in process.stdout:
            file.write(line)
            file.flush()
            skip = re.match(r"\s*skip: ", line) is not None
            if skip:
                skips.append(line.strip())
            if skip or (shown and line.strip()):
                print(f"    {line.rstrip()}", flush=True)
        passed = process.wait() == 0
        watchdog.cancel()
    return passed, skips


def main():
    os.chdir(ROOT)
    LOGS.mkdir(parents=True, exist_ok=True)
    passed = failed = skipped = 0
    for tool in ("openssl/evp.h", "png.h", "g++"):
        with contextlib.suppress(tools.Missing):  # Who needs it says so.
            tools.bring(tool)
    for number, (name, promise, command, environment, needs, shown) in enumerate(STEPS):
        missing = [tool for tool in needs if not tools.find(tool)]
        if missing:
            print(f"skip: {promise}: {missing[0]} is missing", flush=True)
            skipped += not REQUIRED
            failed += REQUIRED
            continue
        if shown:
            print(f"      {promise}:", flush=True)
        log = LOGS / f"{number + 1}-{name}.log"
        started = time.monotonic()
        good, skips = run(log, command, environment, shown)
        seconds = time.monotonic() - started
        if good and not (skips and REQUIRED):
            print(f"ok    {promise} ({seconds:.0f} s)", flush=True)
            passed += 1
            skipped += len(skips)
            continue
        failed += 1
        why = "" if good else "".join(f"\n    | {line}" for line in log.read_text(errors="replace").splitlines()[-30:])
        print(f"FAIL  {promise} ({seconds:.0f} s), see {log.relative_to(ROOT)}{why}", flush=True)
        if name == "build":
            break  # Nothing else can be tried.
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
