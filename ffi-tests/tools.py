"""Tools that some tests need and a plain machine lacks: finds them, or brings each once, or says why not.

    tools.py doctor     what is there, and what the tests will bring or skip
    tools.py openssl    brings the header that examples-c/sha256tree.c needs
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

BROUGHT = Path(__file__).resolve().parent.parent / "out" / "tools"
SECONDS = 240  # After so long a download is given up.

# tool: (package of the Python index, Debian package). What is not listed is not brought.
PACKAGES = {
    "cmake": ("cmake", "cmake"),
    "ninja": ("ninja", "ninja-build"),
    "pkg-config": (None, "pkg-config"),
    "g++": (None, "g++"),
    "clang": (None, "clang"),
    "luajit": (None, "luajit"),
    "valgrind": (None, "valgrind"),
    "openssl/evp.h": (None, "libssl-dev"),
    "png.h": (None, "libpng-dev"),
    "uv.h": (None, "libuv1-dev"),
    "glib.h": (None, "libglib2.0-dev"),
    "oneapi/tbb.h": (None, "libtbb-dev"),
    "asio.hpp": (None, "libasio-dev"),
    "thread_pool/thread_pool.hpp": (None, "libthread-pool-dev"),
}
# What only make bench needs: other pools, to be measured beside carpool.
FOR_BENCHES = ["oneapi/tbb.h", "asio.hpp", "thread_pool/thread_pool.hpp"]
# Headers that stand where only pkg-config finds them, by this name.
MODULES = {"glib.h": "glib-2.0"}
OTHERS = ["cargo", "cargo-fmt", "cargo-clippy", "make", "cc", "ld", "objcopy", "readelf", "python3"]


PIP = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries=1"]


class Missing(Exception):
    """A tool that is not there and cannot be brought; says why."""


def find(tool):
    """The tool's path, or None."""
    if is_header(tool):
        language = ["g++", "-xc++"] if tool in FOR_BENCHES else [os.environ.get("CC", "cc"), "-xc"]
        command = [*language, "-E", *folders(tool), "-include", tool, os.devnull]
        return tool if failure(command) is None else None
    if tool.startswith("cargo-"):  # A file of that name may only be rustup's stand-in.
        command = [os.environ.get("CARGO", "cargo"), tool.removeprefix("cargo-"), "--version"]
        return shutil.which(tool) if failure(command) is None else None
    # The real program first: the one in bin/ may be a Python script that does not find its package.
    for place in (BROUGHT / tool / tool / "data" / "bin", BROUGHT / tool / "bin"):
        if os.access(place / tool, os.X_OK):
            return str(place / tool)
    return shutil.which(tool)


def is_header(tool):
    return tool.endswith((".h", ".hpp"))


def folders(header):
    """What tells the compiler where the header is."""
    pkg_config = find("pkg-config") if header in MODULES else None
    if not pkg_config:
        return []
    return subprocess.run([pkg_config, "--cflags", MODULES[header]], capture_output=True, text=True).stdout.split()


def bring(tool):
    """The tool's path, after fetching it if need be."""
    path = find(tool)
    if path:
        return path
    python_package, debian_package = PACKAGES.get(tool, (None, None))
    reasons = []
    if python_package:
        reasons.append(failure([*PIP, "--target", str(BROUGHT / tool), python_package]))
    if debian_package and not find(tool):
        reasons.append(install(debian_package))
    path = find(tool)
    if not path:
        raise Missing("; ".join(filter(None, reasons)) or "not installed")
    return path


def bring_module(name):
    """The folder from which Python imports the package of this name, after fetching it if need be."""
    folder = BROUGHT / f"python-{name}"
    if not (folder / name).is_dir():
        why = failure([*PIP, "--target", str(folder), name])
        if why:
            raise Missing(why)
    return folder


def install(package):
    """Why a Debian package could not be installed, or None."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return f"only root can install the Debian package {package}"
    command = ["apt-get", "install", "--yes", "--no-install-recommends", package]
    if failure(command):
        failure(["apt-get", "update"])
        return failure(command)
    return None


def failure(command):
    """Runs a command; why it failed, in one line, or None."""
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=environment)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    words = (done.stderr.strip() or done.stdout.strip() or "failed").splitlines()[-1]
    return f"{Path(command[0]).name}: {words}" if done.returncode else None


def doctor():
    for tool in [*OTHERS, *PACKAGES]:
        path = find(tool)
        if not path:
            bringer = "make bench" if tool in FOR_BENCHES else "make test"
            told = f"missing; {bringer} tries to bring it" if tool in PACKAGES else "missing"
        elif is_header(tool):
            told = "there"
        else:
            done = subprocess.run([path, "--version"], capture_output=True, text=True)
            told = (done.stdout or done.stderr or "there").splitlines()[0]
        print(f"  {tool:28} {told}")
    print("Without cargo-fmt, cargo-clippy, cmake, ninja, pkg-config, g++, clang, libuv or GLib their tests are skipped.")
    print("Without valgrind make counts and make valgrind do nothing.")


def main():
    if sys.argv[1:] == ["doctor"]:
        doctor()
    elif sys.argv[1:] == ["openssl"]:
        try:
            bring("openssl/evp.h")
        except Missing as why:
            sys.exit(
                "sha256tree takes its hash from OpenSSL, whose header openssl/evp.h is missing.\n"
                f"Install it (Debian: libssl-dev, Fedora: openssl-devel) and try again. {why}"
            )
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
