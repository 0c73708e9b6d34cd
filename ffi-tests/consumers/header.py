"""The header by itself: compilers accept it without a warning, and it brings no name but ours."""

import re

from outside import CC, HERE, ROOT, WARNINGS, check, expect, prefix, run, tools

TWICE = '#include <carpool.h>\n#include <carpool.h>\npool_options_t options_of(void);\n'
USE = "pool_options_t options_of(void) { pool_options_t o = POOL_OPTIONS_INIT; return o; }\n"
OURS = re.compile(r"(POOL|FUTURE|CARPOOL|pool|future)_\w+$")


def compiles(folder, compiler, suffix, standards):
    source = folder / f"alone{suffix}"
    source.write_text(TWICE + USE)
    for standard in standards:
        run(compiler, f"-std={standard}", *WARNINGS, "-fsyntax-only", f"-I{prefix()}/include", source)


@check
def it_compiles_alone_and_twice_as_c99_c11_c17_and_c23(folder):
    compiles(folder, CC, ".c", ["c99", "c11", "c17", "c2x"])


@check
def it_compiles_alone_and_twice_as_cpp11_to_cpp20(folder):
    compiles(folder, tools.bring("g++"), ".cpp", ["c++11", "c++14", "c++17", "c++20"])


@check
def clang_accepts_it_too(folder):
    clang = tools.bring("clang")
    compiles(folder, clang, ".c", ["c99", "c11", "c17", "c2x"])
    compiles(folder, f"{clang}++", ".cpp", ["c++11", "c++14", "c++17", "c++20"])


@check
def our_own_c_compiles_without_a_warning(folder):
    # loops.py compiles its own so, with what they need.
    here = [source for source in HERE.glob("*.c") if not source.name.startswith("loop_")]
    ours = [*ROOT.glob("src/worker/*.c"), *ROOT.glob("examples-c/*.c"), *here]
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    for source in ours:
        headers = [name for name in ("openssl/evp.h", "png.h") if f"<{name}>" in source.read_text()]
        if not all(map(tools.find, headers)):
            continue
        # With -c and optimisation: some warnings come no earlier.
        run(CC, "-std=gnu11", "-O2", *warnings, f"-I{prefix()}/include", "-c", "-o", folder / "object.o", source)


@check
def all_its_macros_carry_our_prefix(folder):
    def macros(source):
        file = folder / "macros.c"
        file.write_text(source)
        text = run(CC, "-std=c11", "-dM", "-E", f"-I{prefix()}/include", file)
        return {line.split()[1].split("(")[0] for line in text.splitlines()}

    foreign = "#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n"
    names = macros("#include <carpool.h>\n") - macros(foreign)
    expect("POOL_OPTIONS_INIT" in names, "the macros were not found")
    strangers = sorted(name for name in names if not OURS.match(name))
    expect(not strangers, f"names of others: {strangers}")


@check
def all_its_types_and_constants_carry_our_prefix(folder):
    text = re.sub(r"/\*.*?\*/", "", (prefix() / "include/carpool.h").read_text(), flags=re.S)
    names = re.findall(r"\b(?:struct|enum) (\w+)", text)
    names += re.findall(r"\btypedef [^;{}]*?\b(\w+);", text) + re.findall(r"^} (\w+);", text, re.M)
    names += re.findall(r"\btypedef [^;{}(]*\(\*(\w+)\)", text)
    names += re.findall(r"^\s+(\w+) = -?\d+,?$", text, re.M)
    expect({"pool_options_t", "POOL_OK", "pool_task_fn"} <= set(names), "the types were not found")
    strangers = sorted({name for name in names if not OURS.match(name)})
    expect(not strangers, f"names of others: {strangers}")
