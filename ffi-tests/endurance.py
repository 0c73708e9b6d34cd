"""Runs the tests of ffi-tests/endurance for as long as one wants: `make test` only runs their short form.

    endurance.py soak MINUTES    workers and programs die, stop and fork; nothing is lost, doubled or wrong
    endurance.py fuzz MINUTES    hostile calls, and memory that a worker overwrites
    endurance.py chaos MINUTES   each system call fails once; processes die at each instruction

ENDURANCE_SEED=N runs what a seed has found again, KINDS="fork spawn" only these kinds, VANDALS="words copies zeros callbacks"
which ways to overwrite memory, and whether tasks have callbacks; ENDURANCE_CASE="new host mmap 3 ENOMEM" one of the
faults, or ENDURANCE_CASE=N one of the instructions. The time is shared out evenly. Exit code: 0 if all have passed.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILT = ROOT / "out" / "tests"
GRACE = 120  # Seconds beyond its time after which a program hangs.
SKIPPED = 77
PROCESSES = ["spawn", "forkserver", "fork"]

# (program, its kinds)
PARTS = {
    "soak": [("tasks_end_once_whatever_dies", PROCESSES), ("killed_programs_leave_no_process", PROCESSES)],
    "chaos": [
        ("a_failing_system_call_ends_nothing", ["thread", *PROCESSES, "inline"]),
        ("a_worker_may_die_at_any_instruction", PROCESSES),
        ("a_forkserver_may_die_at_any_instruction", PROCESSES),
        ("a_program_may_die_at_any_instruction", PROCESSES),
    ],
    "fuzz": [("hostile_calls_do_no_harm", ["thread", *PROCESSES, "inline"]), ("a_vandal_costs_tasks_not_the_program", PROCESSES)],
}


def build(name):
    source, program = ROOT / "ffi-tests" / "endurance" / f"{name}.c", BUILT / name
    BUILT.mkdir(parents=True, exist_ok=True)
    flags = ["-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-pthread", "-Wl,--build-id"]
    folders = [f"-I{ROOT}/out/include", f"-I{ROOT}/ffi-tests/support", f"-L{ROOT}/out/lib", f"-Wl,-rpath,{ROOT}/out/lib"]
    subprocess.run([os.environ.get("CC", "cc"), *flags, *folders, "-o", program, source, "-lcarpool", "-lm"], check=True)
    return program


def run(program, kind, seconds):
    """Whether it passed. Its output goes to the terminal."""
    folder = tempfile.mkdtemp(prefix="carpool-endurance-")
    environment = {**os.environ, "TEST_TMP": folder, "TMPDIR": folder, "ENDURANCE_SECONDS": str(seconds)}
    print(f"{program.name} {kind}, {seconds:.0f} s", flush=True)
    process = subprocess.Popen([program, kind], env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        code = process.wait(seconds + GRACE)
    except subprocess.TimeoutExpired:
        print(f"HANGS: process {process.pid} is killed", flush=True)
        os.killpg(process.pid, signal.SIGABRT)
        code = process.wait()
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    passed = code in (0, SKIPPED)
    print("ok" if passed else f"FAILED with {code}", flush=True)
    return passed


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in PARTS or not re.fullmatch(r"\d+(\.\d+)?", sys.argv[2]):
        sys.exit(__doc__)
    wanted = os.environ.get("KINDS", "").split()
    programs = [(build(name), kinds) for name, kinds in PARTS[sys.argv[1]]]
    runs = [(program, kind) for program, kinds in programs for kind in kinds if not wanted or kind in wanted]
    seconds = float(sys.argv[2]) * 60 / max(len(runs), 1)
    passed = [run(program, kind, seconds) for program, kind in runs]
    print(f"{sum(passed)} passed, {len(passed) - sum(passed)} failed")
    sys.exit(not all(passed))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
