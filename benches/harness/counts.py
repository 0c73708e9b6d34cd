#!/usr/bin/env python3
"""Counts the instructions of each step of a task with callgrind, and compares with counts.json.

    benches/harness/counts.py               old and new counts side by side, as make counts does
    benches/harness/counts.py --functions   and the functions that the instructions of each step are in
    benches/harness/counts.py --save        writes counts.json anew

Times depend on who else uses the machine; instructions do not. What they do not tell: cache misses, and
what the kernel does.
"""

import sys
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[0] = str(Path(__file__).resolve().parent.parent)  # benches/, whose folders are the packages

import argparse
import collections
import json
import os
import re
import shutil
import subprocess
import tempfile

from harness.build import BENCH, BENCHES, CC, INCLUDES, ROOT, WARNINGS
from harness.model import KINDS
from report.table import rows

FILE = Path(__file__).with_name("counts.json")
TASKS = 20_000
STEPS = ("submit", "run", "wait", "collect", "free")
FUNCTIONS_SHOWN = 16


class Missing(Exception):
    """What cannot be counted on this machine, and why."""


def find_valgrind():
    if not shutil.which("valgrind") or not shutil.which("callgrind_annotate"):
        raise Missing("valgrind is missing (Debian: valgrind)")


def build_library():
    """An archive of its own: with the names of functions, and system calls by way of libc, see counts.c."""
    target = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "counts"
    flags = f"{os.environ.get('RUSTFLAGS', '')} --cfg rustix_use_libc".strip()
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target), "RUSTFLAGS": flags}
    cargo = [os.environ.get("CARGO", "cargo"), "rustc", "--quiet", "--release", "--locked", "--lib"]
    subprocess.run([*cargo, "--crate-type", "staticlib"], check=True, cwd=ROOT, env=environment)
    return target / "release" / "libcarpool.a"


def compile_driver():
    binary = BENCH / "programs" / "counts"
    binary.parent.mkdir(parents=True, exist_ok=True)
    flags = ["-std=c11", "-O2", "-g", *WARNINGS, "-pthread", *INCLUDES, f"-I{ROOT}/include"]
    libraries = [build_library(), "-lm", "-ldl"]
    subprocess.run([*CC, *flags, "-o", binary, BENCHES / "programs" / "counts.c", *libraries], check=True)
    return binary


def dumps(binary, kind, folder):
    """For each step the file that callgrind has written about it."""
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/%p", binary, kind, str(TASKS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        words = [line for line in done.stderr.splitlines() if not re.match("==|--", line)]
        raise Missing(f"{kind} pool: {' '.join(words) or f'valgrind ended with {done.returncode}'}")
    found = {}
    for path in Path(folder).iterdir():
        if step := re.search(r"^desc: Trigger: Client Request: (\w+)$", path.read_text(), re.MULTILINE):
            found[step[1]] = path
    return found


def instructions(path):
    return int(re.search(r"^totals: (\d+)$", path.read_text(), re.MULTILINE)[1])


def functions(path):
    """How many instructions of a task each function has itself, by its name; the most first."""
    annotated = subprocess.run(
        ["callgrind_annotate", "--auto=no", "--threshold=100", path], check=True, capture_output=True, text=True
    )
    found = collections.Counter()
    for line in annotated.stdout.splitlines():
        # A line for each source file that a part of the function comes from.
        if match := re.match(r"\s*([\d,]+) \([ \d.]+%\)\s+\S*?:(\S.*?)(?: \[[^]]*\])?$", line):
            found[match[2].removesuffix("'2")] += int(match[1].replace(",", ""))
    # What was being called all the time is said to have had all of it.
    within = {name: number for name, number in found.items() if number < 0.9 * instructions(path)}
    return [(number / TASKS, name) for name, number in collections.Counter(within).most_common()]


def count(kind, binary, show_functions):
    with tempfile.TemporaryDirectory() as folder:
        files = dumps(binary, kind, folder)
        if show_functions:
            for step in STEPS:
                print(f"\n{kind} pool, {step}:")
                for number, name in functions(files[step])[:FUNCTIONS_SHOWN]:
                    print(f"  {number:8.1f}  {name}")
        return {step: round(instructions(files[step]) / TASKS, 1) for step in STEPS}


def version(command):
    done = subprocess.run([*command, "--version"], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()[0]


def in_all(steps):
    return {**steps, "in all": sum(steps.values())} if steps else {}


def compared(old, new):
    """Old, new and the difference of each step, in Markdown."""
    lines = [["pool", "step", "before", "now", "difference"], ["---", "---", "--:", "--:", "--:"]]
    for kind in new:
        before = in_all(old.get(kind))
        for step, number in in_all(new[kind]).items():
            was = before.get(step)
            known = ("–", "") if was is None else (f"{was:.1f}", f"{number - was:+.1f}")
            lines.append([kind, step, known[0], f"{number:.1f}", known[1]])
    return rows(lines)


def shown(found):
    """A column for each step, in Markdown."""
    lines = [["pool", *in_all(next(iter(found.values())))]]
    lines.append(["---"] + ["--:"] * (len(lines[0]) - 1))
    for kind, steps in found.items():
        lines.append([f"{kind} pool", *(f"{number:.0f}" for number in in_all(steps).values())])
    return rows(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--functions", action="store_true", help="show where the instructions are")
    parser.add_argument("--save", action="store_true", help=f"write {FILE.name} anew")
    options = parser.parse_args()
    saved = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    new = {
        "rustc": version(["rustc"]),
        "compiler": version(CC),
        "lto": os.environ.get("CARGO_PROFILE_RELEASE_LTO", "as in Cargo.toml"),
        "tasks": TASKS,
        "instructions": {},
    }
    try:
        find_valgrind()
    except Missing as missing:
        print(f"skip: {missing}")
        return 0
    binary = compile_driver()
    for kind in KINDS:
        try:
            new["instructions"][kind] = count(kind, binary, options.functions)
        except Missing as missing:
            print(f"skip: {missing}")

    print("\nInstructions of a task, 8 bytes each way:\n")
    print(compared(saved.get("instructions", {}), new["instructions"]))
    for name in ("rustc", "compiler", "lto"):
        if saved and saved.get(name) != new[name]:
            print(f"\n{name}: before {saved.get(name)}, now {new[name]}")
    if options.save:
        FILE.write_text(json.dumps(new, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
