"""Builds the programs that measure, and installs what the other pools need.

Those pools come from the package indexes of Debian, Python and Rust. If one cannot be installed or
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
INCLUDES = [f"-I{BENCHES}/programs"]  # measure.h, also for floors and peers
CFLAGS = ["-std=c11", "-O2", *WARNINGS, "-pthread", *INCLUDES]
CXXFLAGS = ["-std=c++20", "-O2", *WARNINGS, "-pthread", *INCLUDES]
LDFLAGS = [f"-L{OUT}/lib", "-lcarpool", "-Wl,-rpath,$ORIGIN/../../lib"]

# Programs in C++: (the header they need, the libraries they are linked with).
LIBRARIES = {
    "peers/tbb": ("oneapi/tbb.h", "-ltbb"),
    "peers/asio": ("asio.hpp", ""),
    "peers/thread_pool": ("thread_pool/thread_pool.hpp", ""),
    "peers/glib": ("glib.h", "-lglib-2.0"),
    "peers/uv": ("uv.h", "-luv"),
}


def command(program):
    """Builds the program and returns the command that starts it. Raises Missing if that is impossible."""
    (BENCH / program).parent.mkdir(parents=True, exist_ok=True)
    if program == "peers/python.py":
        return [python_with_packages(), "-B", BENCHES / program]
    if program.endswith(".py"):
        return [sys.executable, BENCHES / program]
    if program in LIBRARIES:
        return [compile_cpp(program)]
    if program == "peers/rayon":
        return [build_crate(program)]
    return [compile_c(program)]


def compile_c(program):
    binary, source = BENCH / program, BENCHES / f"{program}.c"
    subprocess.run([*CC, *CFLAGS, f"-I{OUT}/include", "-o", binary, source, *LDFLAGS], check=True)
    return binary


def compile_cpp(program):
    binary, (header, libraries) = BENCH / program, LIBRARIES[program]
    tools.bring("g++")
    if header in tools.MODULES:
        tools.bring("pkg-config")
    tools.bring(header)
    # As system headers they cause no warnings.
    includes = [flag.replace("-I", "-isystem", 1) for flag in tools.folders(header)]
    source = BENCHES / f"{program}.cpp"
    run([*CXX, *CXXFLAGS, *includes, "-o", binary, source, *libraries.split()])
    return binary


def build_crate(program):
    """A separate crate: its dependencies are not the library's."""
    manifest = BENCHES / program / "Cargo.toml"
    target = BENCH / "cargo"
    run([CARGO, "build", "--quiet", "--release", "--locked", "--manifest-path", manifest,
         "--target-dir", target])  # fmt: skip
    return target / "release" / "peer_rayon"


def python_with_packages():
    """The interpreter of a virtual environment with requirements.txt.

    If it cannot be made: this interpreter, which has only the pools of the standard library.
    """
    requirements = BENCHES / "peers" / "requirements.txt"
    venv, required = BENCH / "venv", requirements.read_text(encoding="utf-8")
    python, installed = venv / "bin" / "python", venv / "requirements.txt"
    if installed.exists() and installed.read_text(encoding="utf-8") == required and works(python):
        return python
    shutil.rmtree(venv, ignore_errors=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries=1"]
    try:
        run([sys.executable, "-m", "venv", venv])
        run([*pip, "-r", requirements])
    except Missing as why:
        print(f"  only the pools of Python's standard library: {why}", file=sys.stderr)
        return sys.executable
    installed.write_text(required, encoding="utf-8")
    return python


def works(python):
    return tools.failure([str(python), "-c", ""]) is None


def run(command):
    """Raises Missing if the command fails."""
    why = tools.failure([str(word) for word in command])
    if why:
        raise Missing(why)


def versions():
    """The versions of the other pools that the programs were built with, by package."""
    found = {}
    for header, _ in LIBRARIES.values():
        package = tools.PACKAGES[header][1]
        query = ["dpkg-query", "--show", "--showformat=${Version}", package]
        if shutil.which(query[0]) and tools.find(header):
            found[package] = subprocess.run(query, capture_output=True, text=True).stdout
    lock = (BENCHES / "peers" / "rayon" / "Cargo.lock").read_text(encoding="utf-8")
    found |= dict(re.findall(r'name = "(rayon)"\nversion = "(.*)"', lock))
    installed = BENCH / "venv" / "requirements.txt"
    lines = installed.read_text(encoding="utf-8").splitlines() if installed.exists() else []
    found |= dict(line.split("==") for line in lines if "==" in line)
    return {package: version for package, version in found.items() if version}
