#!/usr/bin/env python3
"""Counts the instructions of each step of a task with callgrind, and compares with counts.json.

    benches/harness/counts.py               old and new counts side by side, as make counts does
    benches/harness/counts.py --functions   also the functions that spend the instructions of each step
    benches/harness/counts.py --save        replaces counts.json

Unlike times, instruction counts do not depend on other programs. They do not include cache misses, nor
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
from report.table import markdown_rows

FILE = Path(__file__).with_name("counts.json")
TASKS = 20_000
STEPS = ("submit", "run", "wait", "collect", "free")
FUNCTIONS_SHOWN = 16


class Missing(Exception):
    """Something that cannot be counted on this machine, and why."""


def find_valgrind():
    if not shutil.which("valgrind") or not shutil.which("callgrind_annotate"):
        raise Missing("valgrind is missing (Debian: valgrind)")


def build_library():
    """A separate static library: with symbol names, and with system calls through libc, see counts.c."""
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


def run_callgrind(binary, kind, folder):
    """The file that callgrind wrote for each step."""
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/%p", binary, kind, str(TASKS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        messages = [line for line in done.stderr.splitlines() if not re.match("==|--", line)]
        raise Missing(f"{kind} pool: {' '.join(messages) or f'valgrind exited with {done.returncode}'}")
    found = {}
    for path in Path(folder).iterdir():
        if step := re.search(r"^desc: Trigger: Client Request: (\w+)$", path.read_text(), re.MULTILINE):
            found[step[1]] = path
    return found


def instructions(path):
    return int(re.search(r"^totals: (\d+)$", path.read_text(), re.MULTILINE)[1])


def functions(path):
    """The instructions per task of each function, without its callees: (number, name), the most first."""
    annotated = subprocess.run(
        ["callgrind_annotate", "--auto=no", "--threshold=100", path], check=True, capture_output=True, text=True
    )
    found = collections.Counter()
    for line in annotated.stdout.splitlines():
        # One line per source file that contributes code to the function.
        if match := re.match(r"\s*([\d,]+) \([ \d.]+%\)\s+\S*?:(\S.*?)(?: \[[^]]*\])?$", line):
            found[match[2].removesuffix("'2")] += int(match[1].replace(",", ""))
    # A function that is on the stack during all of it, such as main, is credited with everything.
    credible = {name: number for name, number in found.items() if number < 0.9 * instructions(path)}
    return [(number / TASKS, name) for name, number in collections.Counter(credible).most_common()]


def count(kind, binary, show_functions):
    with tempfile.TemporaryDirectory() as folder:
        files = run_callgrind(binary, kind, folder)
        if show_functions:
            for step in STEPS:
                print(f"\n{kind} pool, {step}:")
                for number, name in functions(files[step])[:FUNCTIONS_SHOWN]:
                    print(f"  {number:8.1f}  {name}")
        return {step: round(instructions(files[step]) / TASKS, 1) for step in STEPS}


def version(command):
    done = subprocess.run([*command, "--version"], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()[0]


def with_total(steps):
    return {**steps, "total": sum(steps.values())} if steps else {}


def comparison(old, new):
    """The old and the new count of each step and their difference, in Markdown."""
    rows = [["pool", "step", "before", "now", "difference"], ["---", "---", "--:", "--:", "--:"]]
    for kind in new:
        before = with_total(old.get(kind))
        for step, number in with_total(new[kind]).items():
            was = before.get(step)
            old_text, difference = ("–", "") if was is None else (f"{was:.1f}", f"{number - was:+.1f}")
            rows.append([kind, step, old_text, f"{number:.1f}", difference])
    return markdown_rows(rows)


def summary(found):
    """The counts with one column per step, in Markdown."""
    rows = [["pool", *with_total(next(iter(found.values())))]]
    rows.append(["---"] + ["--:"] * (len(rows[0]) - 1))
    for kind, steps in found.items():
        rows.append([f"{kind} pool", *(f"{number:.0f}" for number in with_total(steps).values())])
    return markdown_rows(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--functions", action="store_true", help="show which functions spend the instructions")
    parser.add_argument("--save", action="store_true", help=f"replace {FILE.name}")
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

    print("\nInstructions per task, 8 bytes each way:\n")
    print(comparison(saved.get("instructions", {}), new["instructions"]))
    for name in ("rustc", "compiler", "lto"):
        if saved and saved.get(name) != new[name]:
            print(f"\n{name}: before {saved.get(name)}, now {new[name]}")
    if options.save:
        FILE.write_text(json.dumps(new, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
