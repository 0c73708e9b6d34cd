"""The files that are installed: what the libraries export, what the loader reads, which version they say."""

import ctypes
import re

from outside import CC, OUT, ROOT, check, dynamic, expect, library, prefix, run, tools

LARGEST = 1536 * 1024  # Bytes. Some 260 KiB are the language runtime.


def declared(folder):
    """The functions that the header declares."""
    source = folder / "declared.c"
    source.write_text("#define CARPOOL_API EXPORTED\n#include <carpool.h>\n")
    text = run(CC, "-E", "-P", f"-I{prefix()}/include", source)
    return set(re.findall(r"\bEXPORTED\b[^;(]*?(\w+)\(", text))


def defined(*words):
    """The names that nm lists. A line that ends with a colon names a member of an archive."""
    lines = run("nm", "--defined-only", "--format=posix", *words).splitlines()
    return {line.split()[0] for line in lines if line and not line.endswith(":")}


@check
def the_shared_library_exports_what_the_header_declares_and_nothing_else(folder):
    exported, wanted = defined("-D", library()), declared(folder)
    expect(len(wanted) > 40, f"only {len(wanted)} functions were found in the header")
    missing, strangers = sorted(wanted - exported), sorted(exported - wanted)
    expect(not missing and not strangers, f"missing: {missing}\nnot declared: {strangers}")


@check
def the_static_library_adds_only_its_two_start_up_names(folder):
    names = defined("-g", prefix() / "lib/libcarpool.a")
    strangers = names ^ declared(folder) ^ {"carpool_process_start", "carpool_preinit"}
    expect(not strangers, f"{sorted(strangers)}")


@check
def the_shared_library_is_versioned_stays_loaded_and_needs_only_the_c_runtime(folder):
    entries = dynamic(library())
    major = library().name.split(".")[2]
    expect(entries["SONAME"] == [f"libcarpool.so.{major}"], f"{entries}")
    expect("NODELETE" in entries["FLAGS_1"][0], f"{entries}")
    for tag in ("RPATH", "RUNPATH", "TEXTREL", "PREINIT_ARRAY"):
        expect(tag not in entries, f"{tag}: {entries}")
    for name in entries["NEEDED"]:
        expect(re.match(r"(libc|libgcc_s|libm|libdl|libpthread|ld-linux[\w-]*)\.so\.", name), f"needs {name}")
    expect("Build ID" in run("readelf", "--notes", library()), "no build id")


@check
def nothing_asks_for_an_executable_stack(folder):
    source = folder / "empty.c"
    source.write_text("#include <carpool.h>\nint main(void) { return pool_version() == 0; }\n")
    run(CC, f"-I{prefix()}/include", "-o", folder / "program", source, prefix() / "lib/libcarpool.a", "-lpthread", "-lm", "-ldl")
    for binary in (library(), folder / "program"):
        stack = re.search(r"GNU_STACK.*", run("readelf", "--wide", "--segments", binary))
        expect(stack and " RWE " not in stack[0], f"{binary.name}: {stack and stack[0]}")


@check
def the_shared_library_is_small(folder):
    size = library().stat().st_size
    expect(size <= LARGEST, f"{size} bytes, more than {LARGEST}")


@check
def all_versions_agree(folder):
    def found(pattern, path):
        return re.search(pattern, path.read_text(), re.M)[1]

    header = (prefix() / "include/carpool.h").read_text()
    parts = [re.search(rf"#define POOL_VERSION_{part} (\d+)", header)[1] for part in ("MAJOR", "MINOR", "PATCH")]
    loaded = ctypes.CDLL(str(library()))
    loaded.pool_version_string.restype = ctypes.c_char_p
    number = loaded.pool_version()
    versions = {
        "Cargo.toml": found(r'^version = "(.*)"', ROOT / "Cargo.toml"),
        "header": ".".join(parts),
        "pool_version_string": loaded.pool_version_string().decode(),
        "pool_version": f"{number // 1000000}.{number // 1000 % 1000}.{number % 1000}",
        "carpool.pc": found(r"^Version: (.*)", prefix() / "lib/pkgconfig/carpool.pc"),
        "CMake": found(r'PACKAGE_VERSION "(.*?)"', prefix() / "lib/cmake/carpool/carpoolConfigVersion.cmake"),
        "file name": library().name.removeprefix("libcarpool.so."),
    }
    expect(len(set(versions.values())) == 1, f"{versions}")


@check
def the_installed_files_tell_no_path_of_the_machine_that_built_them(folder):
    texts = [*prefix().glob("lib/cmake/carpool/*"), *prefix().glob("lib/pkgconfig/*"), prefix() / "include/carpool.h"]
    for path in [*texts, prefix() / "libexec/carpool/carpool-worker"]:
        content = path.read_bytes()
        expect(b"@" not in content or path not in texts[:3], f"{path.name} has a place that was not filled in")
        if path in texts:
            expect(str(OUT).encode() not in content, f"{path.name} names {OUT}")


@check
def the_helper_program_says_what_it_is_when_run_by_hand(folder):
    printed = run(prefix() / "libexec/carpool/carpool-worker", expected=2)
    expect(printed.startswith("carpool-worker: ") and printed.count("\n") == 1, printed)
