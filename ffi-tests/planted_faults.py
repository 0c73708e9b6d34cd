"""What `make planted-faults` does: plants one fault at a time in the library, and sees the model-based test find it.

    planted_faults.py            all faults, one after the other
    planted_faults.py WORD...    those with one of these words in their name
    planted_faults.py --check    builds nothing: whether the rows still fit the sources

A test that has found nothing for ten million calls proves little, unless it finds what is there. Each fault is one
that an answer of the API shows, and nothing else; some were in the library once.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time

from mutations import ROOT, Wrong, broken

OUT = ROOT / "out" / "planted"
COPIED = ["Cargo.toml", "Cargo.lock", "Makefile", "src", "include", "cmake", "ffi-tests", "examples-c", "benches"]
ENVIRONMENT = {
    "CARGO_TARGET_DIR": str(OUT / "target"),
    "CARGO_INCREMENTAL": "1",
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
}
SECONDS = 180  # How long the test looks for one fault.
SECONDS_OF_A_STEP = 900  # For a build, or for the search and the shrinking.

# (what is wrong, file below src, its text, instead)
FAULTS = [
    (
        "a cancelled task is not counted",
        "state/mod.rs",
        "let is_withdrawn = self.counters.cancelled.count_if(cancel);",
        "let is_withdrawn = cancel();",
    ),
    (
        "a lost task is tried once too often",
        "supervisor/reap.rs",
        "take_retry(slot, state.config.retries)",
        "take_retry(slot, state.config.retries + 1)",
    ),
    (
        "a cancelled task was queued since the machine's start",
        "state/mod.rs",
        "clock::pack_short(clock::now().saturating_sub(submitted));",
        "{ let _ = submitted; clock::pack_short(clock::now()) };",
    ),
    (
        "a pool breaks after the task that breaks it is done",
        "supervisor/mod.rs",
        "self.state.set_broken(start::broken_by_loss(process));",
        "let _ = process;",
    ),
    (
        "a set leaves every other future out that was done before it asked",
        "pool/completion_set.rs",
        "done.min_by_key(|(position, _)| *position)?;",
        "done.filter(|(position, _)| position.0 % 2 == 0).min_by_key(|(position, _)| *position)?;",
    ),
    (
        "what a break leaves of a chunk says that it was cancelled",
        "pool/map/chunks.rs",
        "Some(Status::POOL_ERR_CLOSED) => why_ended(self.future),",
        "Some(Status::POOL_ERR_CLOSED) => Status::POOL_ERR_CANCELLED.into(),",
    ),
]


def as_mutation(fault):
    return (*fault, [])


def run(command, seconds, environment=None):
    """Its status and what it has printed; its processes are killed when it takes longer."""
    process = subprocess.Popen(
        command,
        cwd=OUT / "tree",
        env={**os.environ, **ENVIRONMENT, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        printed, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.communicate()
        raise Wrong(f"{' '.join(command)} did not end within {seconds} s") from None
    return process.returncode, printed


def copy_tree():
    """The folder stays, so that cargo builds only what has changed since."""
    tree = OUT / "tree"
    tree.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        source, copy = ROOT / name, tree / name
        if source.is_dir():
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(source, copy)
        else:
            shutil.copy2(source, copy)


def search(fault):
    """What the model-based test says of the fault; None: it has not found it."""
    path, text = broken(as_mutation(fault), OUT / "tree" / "src")
    unbroken = path.read_text()
    path.write_text(text)
    try:
        status, printed = run(["make", "all"], SECONDS_OF_A_STEP)
        if status != 0:
            raise Wrong(f"{fault[0]}: it does not build:\n{printed}")
        environment = {"MODEL_SECONDS": str(SECONDS)}
        status, printed = run(["cargo", "test", "--locked", "--test", "model"], SECONDS_OF_A_STEP, environment)
    finally:
        path.write_text(unbroken)
    words = re.findall(r"^WRONG: .*|^.*watchdog.*", printed, re.MULTILINE)
    return None if status == 0 else (words or printed.splitlines())[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="WORD")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    for fault in FAULTS:
        broken(as_mutation(fault), ROOT / "src")
    if arguments.check:
        return
    faults = [fault for fault in FAULTS if not arguments.words or any(word in fault[0] for word in arguments.words)]
    copy_tree()
    missed = 0
    for fault in faults:
        started = time.monotonic()
        words = search(fault)
        missed += words is None
        verdict = "missed" if words is None else "found "
        print(f"{verdict} {fault[0]} ({time.monotonic() - started:.0f} s)\n       {words or ''}", flush=True)
    print(f"{len(faults) - missed} of {len(faults)} planted faults found")
    sys.exit(missed > 0)


if __name__ == "__main__":
    try:
        main()
    except Wrong as why:
        sys.exit(str(why))
