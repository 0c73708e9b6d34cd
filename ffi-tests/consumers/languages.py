"""Other languages read carpool.cdef.h, and run tasks that are named by module and symbol."""

import sys

from outside import CC, HERE, WARNINGS, check, prefix, run, tools


def module(folder):
    """A shared library with tasks."""
    built = folder / "libfunctions.so"
    own = [f"-I{prefix()}/include", "-L", prefix() / "lib", f"-Wl,-rpath,{prefix()}/lib"]
    run(CC, *WARNINGS, "-shared", "-fPIC", HERE / "functions.c", "-o", built, *own, "-lcarpool")
    return built


@check
def python_reads_the_declarations_through_cffi(folder):
    run(sys.executable, HERE / "cffi_host.py", prefix(), module(folder), PYTHONPATH=tools.bring_module("cffi"))


@check
def luajit_reads_the_declarations(folder):
    run(tools.bring("luajit"), HERE / "host.lua", prefix(), module(folder))
