"""Runs the C programs of the folders beside this file under checkers of memory.

    sanitizers.py asan [--short] [WORD ...]       AddressSanitizer with LeakSanitizer, and UndefinedBehaviorSanitizer
    sanitizers.py valgrind [--short] [WORD ...]   memcheck

asan instruments the programs and the library. Rust's standard library is not instrumented: that would need its sources.
--short instruments the programs alone, takes the library in out/, and runs a few of them; `make test` does that. valgrind
takes the library in out/. A WORD chooses the programs whose names contain it.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tools

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "ffi-tests"
OTHER_FOLDERS = ["support", "consumers", "model", "endurance", "crash", "isolation"]
SECONDS = 240  # A program that is still running then hangs.
SKIPPED = 77
CC = os.environ.get("CC", "cc")
JOBS = 2

# What --short runs: calls of every section of the header, every kind of end, and what allocates most.
SHORT = [
    "arguments_of_every_size",
    "buffers_are_not_copied",
    "callbacks_chain_a_hundred_deep",
    "collect_many_gives_every_result",
    "futures_outlive_the_pool",
    "lazy_results_come_in_order_or_as_they_are_done",
    "options_of_another_size",
    "threads_may_call_while_they_exit",
]

# program: why it says nothing under the checker.
UNFIT = {
    "asan": {
        "pools_take_little_memory": "the checker takes memory itself",
        "pools_give_back_all_memory": "it counts the calls of malloc, which the checker replaces",
        "a_host_may_lock_its_memory": "the checker reserves more than can be locked",
        "a_host_that_exits_while_a_server_starts_leaves_nothing": "it replaces malloc, as the checker does",
        "a_forked_child_exits_alone": "in a copy LeakSanitizer misses the stacks of threads that the copy does not have",
        "a_lazy_map_needs_little_memory": "the checker takes memory itself",
        "exit_races_with_submit": "LeakSanitizer reports what threads hold that start as the program exits, its own blocks too",
        "growing_is_all_or_nothing": "it limits the addresses, of which the checker takes most",
        "pools_are_made_on_the_smallest_stack": "the checker needs a larger one",
        "workers_leave_with_too_much_memory": "its tasks lose memory",
        "pools_work_in_a_pid_namespace": "LeakSanitizer does not find its own process in another namespace",
    },
    "valgrind": {},
}

KINDS = {"asan": ["thread", "spawn", "forkserver", "fork", "isolated", "inline"], "valgrind": ["thread", "inline"]}
REPORT = {
    "asan": re.compile(r"ERROR: (Address|Leak)Sanitizer|runtime error:|AddressSanitizer:DEADLYSIGNAL"),
    "valgrind": re.compile(r"ERROR SUMMARY: [1-9]"),
}
FLAGS = ["-g", "-fno-omit-frame-pointer"]
ASAN_FLAGS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
# Tasks may raise signals, and ask for more than there is. A signal that nobody expects ends the program: report enough.
ASAN_OPTIONS = "exitcode=99:allocator_may_return_null=1" + "".join(
    f":handle_{name}=0" for name in ("segv", "sigbus", "sigfpe", "sigill", "abort")
)
RUSTFLAGS = "-Zsanitizer=address -Cunsafe-allow-abi-mismatch=sanitizer"


def build_library(out):
    """Builds the library with AddressSanitizer; why that is not possible, or None."""
    rustc = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    environment = {
        **os.environ,
        "RUSTC_BOOTSTRAP": "1",  # A stable compiler has sanitizers, but takes its flag only so.
        "RUSTFLAGS": RUSTFLAGS,
        "CARGO_BUILD_TARGET": re.search(r"host: (\S+)", rustc)[1],  # Or macros and build scripts would have it, too.
        "CARGO_TARGET_DIR": "target/asan",
        "CARGO_PROFILE_RELEASE_LTO": "off",
        "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
    }
    version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
    names = [f"lib/libcarpool.so.{version}", "include/carpool.h", "libexec/carpool/carpool-worker"]
    flags = " ".join(ASAN_FLAGS)
    command = ["make", f"OUT={out}", f"CFLAGS=-O1 {flags}", f"LDFLAGS={flags}", *(f"{out}/{name}" for name in names)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    return done.stderr.strip().splitlines()[-1] if done.returncode else None


def can_instrument():
    command = [CC, *ASAN_FLAGS, "-x", "c", "-", "-o", os.devnull]
    return subprocess.run(command, input="int main(void) { return 0; }", text=True, capture_output=True).returncode == 0


def sources(tool, words, short):
    found = {}
    for folder in sorted(TESTS.iterdir()):
        if folder.is_dir() and folder.name not in OTHER_FOLDERS:
            found.update({source.stem: source for source in folder.glob("*.c")})
    assert not [name for name in SHORT if name not in found], "a program of SHORT is missing"
    for name, source in sorted(found.items()):
        if words and not any(word in name for word in words) or (short and name not in SHORT):
            continue
        if re.search(r"lib\w+\.so|libraries/|library_path\(", source.read_text()):
            continue  # It opens a library that only the runner of all tests builds.
        if name in UNFIT[tool]:
            print(f"left out: {name}: {UNFIT[tool][name]}", flush=True)
        else:
            yield source


def compile_program(tool, source, out, programs):
    flags = [*FLAGS, *ASAN_FLAGS, "-O1"] if tool == "asan" else [*FLAGS, "-O1"]
    program = programs / source.stem
    command = [CC, "-std=c11", "-pthread", *flags, f"-I{out}/include", f"-I{TESTS}/support", "-o", program, source]
    command += [f"-L{out}/lib", "-lcarpool", "-lm", f"-Wl,-rpath,{out}/lib", f"-Wl,-rpath,{programs}", "-Wl,--build-id"]
    subprocess.run(command, check=True)
    return program


def run(tool, program, kind):
    """How the program ended: ok, skipped, or what is wrong."""
    folder = program.with_suffix(f".{kind}.tmp")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    environment = {
        **os.environ,
        "TEST_TMP": str(folder),
        "TMPDIR": str(folder),
        "ASAN_OPTIONS": ASAN_OPTIONS,
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    command = [str(program), kind]
    if tool == "valgrind":
        # To look for leaks it would read all addresses of the pools that still exist, for minutes: asan does that.
        command = [tools.find("valgrind"), "--error-exitcode=99", "--leak-check=no", *command]
    with (folder / "output").open("w+", errors="replace") as output:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        try:
            code = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = "hangs"
        output.seek(0)
        text = output.read()
    if REPORT[tool].search(text):
        code = "report"
    if code not in (0, SKIPPED):
        return f"{code}\n{text}"
    shutil.rmtree(folder)
    return "ok" if code == 0 else "skipped"


def main():
    arguments = sys.argv[1:]
    short = "--short" in arguments
    tool, *words = [word for word in arguments if word != "--short"] or [""]
    if tool not in KINDS:
        sys.exit(__doc__)
    out = ROOT / "out"
    if tool == "valgrind":
        try:
            tools.bring("valgrind")
        except tools.Missing as why:
            sys.exit(f"skip: memcheck: {why}")
    elif not can_instrument():
        print("skip: AddressSanitizer: the C compiler has no runtime for it (Debian: libasan8)")
        return
    elif not short:
        why = build_library("out/asan")
        if why:
            print(f"skip: the library under AddressSanitizer: {why}", flush=True)
        else:
            out = ROOT / "out" / "asan"
    programs = out / f"tests-{tool}"
    programs.mkdir(parents=True, exist_ok=True)
    passed = skipped = 0
    failed = []
    with ThreadPoolExecutor(JOBS) as pool:
        built = list(pool.map(lambda source: compile_program(tool, source, out, programs), sources(tool, words, short)))
        jobs = [(program, kind) for program in built for kind in KINDS[tool]]
        for (program, kind), ended in zip(jobs, pool.map(lambda job: run(tool, *job), jobs)):
            passed += ended == "ok"
            skipped += ended == "skipped"
            if ended not in ("ok", "skipped"):
                failed.append(f"{program.name} {kind}")
                print(f"FAILED {program.name} {kind}: {ended}", flush=True)
    print("".join(f"failed: {name}\n" for name in failed), end="")
    print(f"{passed} passed, {len(failed)} failed, {skipped} skipped under {tool}")
    sys.exit(bool(failed) or not passed)


if __name__ == "__main__":
    main()
