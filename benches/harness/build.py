"""How each measuring program is built, and how it is started. What other pools need is brought first.

Those pools come from the package indexes of Debian, Python and Rust. Where one cannot be had, or not
compiled, its program is skipped, and everything else is measured.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

BENCHES = Path(__file__).resolve().parent.parent
ROOT = BENCHES.parent
OUT = Path(os.environ.get("OUT", ROOT / "out")).resolve()
BENCH = OUT / "bench"

sys.path.append(str(ROOT / "ffi-tests"))
import tools
from tools import Missing

CC = shlex.split(os.environ.get("CC", "gcc"))
CXX = shlex.split(os.environ.get("CXX", "g++"))
CARGO = os.environ.get("CARGO", "cargo")
WARNINGS = "-Wall -Wextra -Wpedantic -Werror".split()
CFLAGS = ["-std=c11", "-O2", *WARNINGS, "-pthread"]
CXXFLAGS = ["-std=c++20", "-O2", *WARNINGS, "-pthread"]
INCLUDES = [f"-I{BENCHES}/programs"]
LDFLAGS = [f"-L{OUT}/lib", "-lcarpool", "-Wl,-rpath,$ORIGIN/../../lib"]

# Programs in C++: (header, what they are linked with).
LIBRARIES = {
    "peers/tbb": ("oneapi/tbb.h", "-ltbb"),
    "peers/asio": ("asio.hpp", ""),
    "peers/thread_pool": ("thread_pool/thread_pool.hpp", ""),
    "peers/glib": ("glib.h", "-lglib-2.0"),
    "peers/uv": ("uv.h", "-luv"),
}


def command(program):
    """Builds the program and returns what starts it. Raises Missing where that takes what is not to be had.

    A program is named by its path below benches/, without the ending of a source file: floors/map.
    """
    (BENCH / program).parent.mkdir(parents=True, exist_ok=True)
    if program == "peers/python.py":
        return [python_with_pools(), "-B", BENCHES / program]
    if program.endswith(".py"):
        return [sys.executable, BENCHES / program]
    if program in LIBRARIES:
        return [compiled_peer(program)]
    if program == "peers/rayon":
        return [built_by_cargo(program)]
    return [compiled(program)]


def compiled(program):
    binary = BENCH / program
    subprocess.run(
        [*CC, *CFLAGS, *INCLUDES, f"-I{OUT}/include", "-o", binary, BENCHES / f"{program}.c", *LDFLAGS], check=True
    )
    return binary


def compiled_peer(program):
    binary, (header, libraries) = BENCH / program, LIBRARIES[program]
    tools.bring("g++")
    if header in tools.MODULES:
        tools.bring("pkg-config")
    tools.bring(header)
    # Their headers are not ours to warn about.
    places = [flag.replace("-I", "-isystem", 1) for flag in tools.folders(header)]
    source = BENCHES / f"{program}.cpp"
    attempt([*CXX, *CXXFLAGS, *INCLUDES, *places, "-o", binary, source, *libraries.split()])
    return binary


def built_by_cargo(program):
    """A crate of its own: its dependencies are not the library's."""
    manifest = BENCHES / program / "Cargo.toml"
    target = BENCH / "cargo"
    attempt([CARGO, "build", "--quiet", "--release", "--locked", "--manifest-path", manifest,
             "--target-dir", target])  # fmt: skip
    return target / "release" / "peer_rayon"


def python_with_pools():
    """The Python of an environment with requirements.txt; the one that runs this where there cannot be one.

    The latter has the pools of the standard library.
    """
    place, wanted = BENCH / "venv", (BENCHES / "peers" / "requirements.txt").read_text(encoding="utf-8")
    python, made_from = place / "bin" / "python", place / "requirements.txt"
    if made_from.exists() and made_from.read_text(encoding="utf-8") == wanted and works(python):
        return python
    shutil.rmtree(place, ignore_errors=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries=1"]
    try:
        attempt([sys.executable, "-m", "venv", place])
        attempt([*pip, "-r", BENCHES / "peers" / "requirements.txt"])
    except Missing as why:
        print(f"  only the pools of Python's standard library: {why}", file=sys.stderr)
        return sys.executable
    made_from.write_text(wanted, encoding="utf-8")
    return python


def works(python):
    return tools.failure([str(python), "-c", ""]) is None


def attempt(command):
    why = tools.failure([str(word) for word in command])
    if why:
        raise Missing(why)


def versions():
    """What of other pools the programs are built with, by package."""
    found = {}
    for header, _ in LIBRARIES.values():
        package = tools.PACKAGES[header][1]
        query = ["dpkg-query", "--show", "--showformat=${Version}", package]
        if shutil.which(query[0]) and tools.find(header):
            found[package] = subprocess.run(query, capture_output=True, text=True).stdout
    lock = (BENCHES / "peers" / "rayon" / "Cargo.lock").read_text(encoding="utf-8")
    found |= dict(re.findall(r'name = "(rayon)"\nversion = "(.*)"', lock))
    made_from = BENCH / "venv" / "requirements.txt"
    lines = made_from.read_text(encoding="utf-8").splitlines() if made_from.exists() else []
    found |= dict(line.split("==") for line in lines if "==" in line)
    return {package: version for package, version in found.items() if version}
