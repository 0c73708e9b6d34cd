#!/usr/bin/env python3
"""Prints a table of what the bytes of the shared library are, compared with an empty library in Rust.

Code is attributed by the symbols of the static library, which has the same code. The empty library can only
catch a panic. It is compiled and linked in the same way, so it is the lower bound for a library in Rust.
"""

import collections
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
sys.path[0] = str(Path(__file__).resolve().parent.parent)  # benches/, whose folders are the packages

from harness.build import CC, OUT, ROOT

# The modules with a row of their own are folders of src/.
MODULES = sorted({folder.name for folder in (ROOT / "src").iterdir() if folder.is_dir()} - {"board", "sync"})
BOARD = "board and below"
BACKTRACE, STD = "backtraces", "standard library, rest"
BACKTRACE_CRATES = r"gimli|addr2line|miniz_oxide|rustc_demangle|backtrace_rs"
SECTIONS = {
    "unwinding": [".eh_frame", ".eh_frame_hdr", ".gcc_except_table"],
    "constants": [".rodata"],
    "data and relocations": [".data", ".data.rel.ro", ".rela.dyn", ".rela.plt", ".got", ".dynamic", ".tdata"],
    "symbols": [".dynsym", ".dynstr", ".gnu.hash", ".gnu.version", ".gnu.version_r"],
}
EMPTY = """
#[unsafe(no_mangle)]
pub extern "C" fn pool_empty(of: *const u8) -> i32 {
    std::panic::catch_unwind(|| if of.is_null() { panic!("null") } else { 0 }).unwrap_or(1)
}
"""
RUSTFLAGS = "--crate-type staticlib --edition 2024 -C opt-level=s -C lto=fat -C codegen-units=1".split()
LDFLAGS = "-shared -Wl,--whole-archive ARCHIVE -Wl,--no-whole-archive -Wl,--gc-sections -Wl,--build-id".split()
LDFLAGS += "-Wl,-z,relro,-z,now,-z,defs,-z,noseparate-code -lpthread -lm -ldl".split()


def run(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def part_of(name):
    """The part that a function belongs to, by its name."""
    if re.match(r"(pool|future)_", name):
        return "ffi"
    if found := re.search(r"\bcarpool::(\w+)", name):
        return found[1] if found[1] in MODULES else BOARD
    return BACKTRACE if re.search(BACKTRACE_CRATES, name) else STD


def code_bytes(with_symbols):
    """The bytes of functions in each part."""
    parts = collections.Counter()
    for line in run("nm", "-C", "-S", "--defined-only", with_symbols).splitlines():
        if found := re.match(r"\w{16} (\w{16}) [tTwW] (.*)", line):
            parts[part_of(found[2])] += int(found[1], 16)
    return parts


def part_bytes(library, with_symbols):
    """The bytes of each part of a stripped library, attributed by a file that has the symbols."""
    lines = (line.split() for line in run("size", "-A", library).splitlines())
    sections = {words[0]: int(words[1]) for words in lines if len(words) == 3 and words[1].isdigit()}
    parts = code_bytes(with_symbols)
    # Code without symbols, and gaps.
    parts[STD] += sections[".text"] - sum(parts.values())
    for title, names in SECTIONS.items():
        parts[title] = sum(sections.get(name, 0) for name in names)
    total = library.stat().st_size
    parts["headers and padding"] = total - sum(parts.values())
    parts["total"] = total
    return parts


def build_empty(folder):
    """An empty library, stripped and with symbols."""
    source, archive, with_symbols = folder / "empty.rs", folder / "libempty.a", folder / "empty.so"
    source.write_text(EMPTY)
    run("rustc", *RUSTFLAGS, "-o", archive, source)
    exports = f"-Wl,--version-script={ROOT / 'cmake/carpool.map'}"
    words = [str(archive) if word == "ARCHIVE" else word for word in LDFLAGS]
    run(*CC, "-o", with_symbols, exports, *words)
    run("strip", "-o", folder / "stripped.so", with_symbols)
    return folder / "stripped.so", with_symbols


def main():
    with tempfile.TemporaryDirectory() as folder:
        empty = part_bytes(*build_empty(Path(folder)))
    library = (OUT / "lib/libcarpool.so").resolve()
    own = part_bytes(library, OUT / "lib/libcarpool.a")
    print("| part | bytes | of an empty library |\n| --- | --: | --: |")
    for part in [*MODULES, BOARD, STD, BACKTRACE, *SECTIONS, "headers and padding", "total"]:
        print(f"| {part} | {own[part]:,} | {empty[part]:,} |")


main()
