#!/usr/bin/env python3
"""What the shared library's bytes are, beside those of an empty one that can catch a panic: as a table.

Code is told apart by the names in the static library, which has the same code. The empty library, for which
rustc is needed, is made and linked in the same way: less than that no library in Rust can have.
"""

import collections
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # benches/, whose folders are the packages

from harness.build import CC, OUT, ROOT

ROOMS = {"ffi": "ffi", "pool": "pool", "watch": "watch", "worker": "worker"}
BELOW = "board and what is below"
RUNTIME, MADE = "backtraces of the runtime", "Rust's library, the rest"
BACKTRACES = r"gimli|addr2line|miniz_oxide|rustc_demangle|backtrace_rs"
SECTIONS = {
    "unwinding": [".eh_frame", ".eh_frame_hdr", ".gcc_except_table"],
    "constants": [".rodata"],
    "data and relocations": [".data", ".data.rel.ro", ".rela.dyn", ".rela.plt", ".got", ".dynamic", ".tdata"],
    "names": [".dynsym", ".dynstr", ".gnu.hash", ".gnu.version", ".gnu.version_r"],
}
EMPTY = """
#[unsafe(no_mangle)]
pub extern "C" fn pool_empty(of: *const u8) -> i32 {
    std::panic::catch_unwind(|| if of.is_null() { panic!("null") } else { 0 }).unwrap_or(1)
}
"""
RUSTFLAGS = "--crate-type staticlib --edition 2024 -C opt-level=s -C lto=fat -C codegen-units=1".split()
LINKING = "-shared -Wl,--whole-archive ARCHIVE -Wl,--no-whole-archive -Wl,--gc-sections -Wl,--build-id".split()
LINKING += "-Wl,-z,relro,-z,now,-z,defs,-z,noseparate-code -lpthread -lm -ldl".split()


def run(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def part(name):
    """Whose code a function is."""
    if re.match(r"(pool|future)_", name):
        return "ffi"
    if found := re.search(r"\bcarpool::(\w+)", name):
        return ROOMS.get(found[1], BELOW)
    return RUNTIME if re.search(BACKTRACES, name) else MADE


def code(named):
    """Bytes of functions by their parts."""
    parts = collections.Counter()
    for line in run("nm", "-C", "-S", "--defined-only", named).splitlines():
        if found := re.match(r"\w{16} (\w{16}) [tTwW] (.*)", line):
            parts[part(found[2])] += int(found[1], 16)
    return parts


def bytes_of(library, named):
    lines = (line.split() for line in run("size", "-A", library).splitlines())
    sections = {words[0]: int(words[1]) for words in lines if len(words) == 3 and words[1].isdigit()}
    parts = code(named)
    # What has no name, and gaps.
    parts[MADE] += sections[".text"] - sum(parts.values())
    for title, names in SECTIONS.items():
        parts[title] = sum(sections.get(name, 0) for name in names)
    total = library.stat().st_size
    parts["headers and padding"] = total - sum(parts.values())
    parts["in all"] = total
    return parts


def empty(folder):
    """An empty library, without and with its names."""
    source, archive, named = folder / "empty.rs", folder / "libempty.a", folder / "empty.so"
    source.write_text(EMPTY)
    run("rustc", *RUSTFLAGS, "-o", archive, source)
    exports = f"-Wl,--version-script={ROOT / 'cmake/carpool.map'}"
    words = [str(archive) if word == "ARCHIVE" else word for word in LINKING]
    run(*CC, "-o", named, exports, *words)
    run("strip", "-o", folder / "stripped.so", named)
    return folder / "stripped.so", named


def main():
    with tempfile.TemporaryDirectory() as folder:
        floor = bytes_of(*empty(Path(folder)))
    library = (OUT / "lib/libcarpool.so").resolve()
    own = bytes_of(library, OUT / "lib/libcarpool.a")
    print("| part | bytes | of an empty library |\n| --- | --: | --: |")
    for title in ["ffi", "pool", "watch", "worker", BELOW, MADE, RUNTIME, *SECTIONS, "headers and padding", "in all"]:
        print(f"| {title} | {own[title]:,} | {floor[title]:,} |")


main()
