"""Programs that are linked with the library by a compiler, by pkg-config, or opened at run time."""

import itertools
import shlex
import shutil
import tempfile
from pathlib import Path

from outside import CC, HERE, KINDS, ROOT, WARNINGS, both_kinds, check, dynamic, expect, links_to, prefix, run, tools

SOURCES = [HERE / "consumer.c", HERE / "versions.c"]
NATIVE = ["-lpthread", "-lm", "-ldl"]
REFUSED = -17  # POOL_ERR_FUNCTION, as the argument of host.c.


def include():
    return f"-I{prefix()}/include"


def shared_by_hand():
    return [f"-L{prefix()}/lib", "-lcarpool"]


def static_by_hand():
    return [prefix() / "lib/libcarpool.a", *NATIVE]


def build(folder, compiler, flags, libraries):
    program = folder / "consumer"
    run(compiler, *WARNINGS, include(), *flags, "-o", program, *SOURCES, *libraries)
    return program


def pkg_config(*words, path=None):
    where = path or prefix() / "lib/pkgconfig"
    return shlex.split(run(tools.bring("pkg-config"), *words, "carpool", PKG_CONFIG_PATH=where))


def runs_in_each_standard(folder, compiler, standards, language=()):
    for standard in standards:
        program = build(folder, compiler, [f"-std={standard}", *language], ["-xnone", *shared_by_hand()])
        links_to(program, shared=True)
        expect(not {"RPATH", "RUNPATH"} & dynamic(program).keys(), "the program has a path to the library")
        both_kinds(program, LD_LIBRARY_PATH=prefix() / "lib")


@check
def programs_in_c99_and_c11_run_their_functions_without_any_hook(folder):
    runs_in_each_standard(folder, CC, ["c99", "c11"])


@check
def programs_in_cpp11_and_cpp20_run_their_functions_without_any_hook(folder):
    runs_in_each_standard(folder, tools.bring("g++"), ["c++11", "c++20"], ["-xc++"])


@check
def programs_that_contain_the_library_run_their_functions_without_any_hook(folder):
    positions = (["-fPIE", "-pie"], ["-fno-pie", "-no-pie"])
    for position, linked in itertools.product(positions, ([], ["-s"], ["-Wl,-z,now"], ["-Wl,-z,lazy"], ["-Wl,--gc-sections", "-s"])):
        program = build(folder, CC, [*position, *linked], static_by_hand())
        links_to(program, shared=False)
        both_kinds(program)


@check
def programs_linked_without_any_shared_library_run_with_the_hook(folder):
    for flags in (["-static"], ["-static", "-s"], ["-static-pie", "-fPIE"], ["-static-pie", "-fPIE", "-s"]):
        program = build(folder, CC, [*flags, "-DWITH_WORKER_MAIN"], static_by_hand())
        expect("NEEDED" not in dynamic(program), "the program needs shared libraries")
        both_kinds(program)


@check
def programs_linked_without_any_shared_library_are_told_to_call_the_hook(folder):
    program = build(folder, CC, ["-static"], static_by_hand())
    run(program, "threads")
    printed = run(program, "processes", expected=1)
    expect("no worker can be started" in printed and "pool_worker_main" in printed, printed)


@check
def exceptions_fail_tasks_whatever_runtime_has_thrown_them(folder):
    compiler, program = tools.bring("g++"), folder / "throws"
    runtimes = {
        (): "std::runtime_error: no such row",
        ("-static-libgcc",): "std::runtime_error: no such row",
        # Nobody outside can call what describes it.
        ("-static-libstdc++",): "an exception left the function",
        ("-static-libstdc++", "-static-libgcc"): "an exception left the function",
    }
    for (runtime, words), linked in itertools.product(runtimes.items(), (shared_by_hand(), static_by_hand())):
        run(compiler, *WARNINGS, include(), *runtime, "-o", program, HERE / "throws.cpp", *linked, "-rdynamic")
        for kind in KINDS:
            printed = run(program, kind, LD_LIBRARY_PATH=prefix() / "lib")
            expect(words in printed, f"{runtime}, {kind}: {printed}")


@check
def pkg_config_links_the_shared_library(folder):
    program = build(folder, CC, pkg_config("--cflags"), pkg_config("--libs"))
    links_to(program, shared=True)
    both_kinds(program, LD_LIBRARY_PATH=prefix() / "lib")


@check
def pkg_config_static_names_all_that_the_static_library_needs(folder):
    libraries = pkg_config("--static", "--libs")
    expect(set(NATIVE) <= set(libraries), f"{libraries}")
    # What a program does that wants the one library static and the others not.
    libraries = ["-Wl,-Bstatic" if word == "-lcarpool" else word for word in libraries]
    position = libraries.index("-Wl,-Bstatic")
    libraries[position + 1 : position + 1] = ["-lcarpool", "-Wl,-Bdynamic"]
    program = build(folder, CC, pkg_config("--cflags"), libraries)
    links_to(program, shared=False)
    both_kinds(program)


@check
def pkg_config_tells_where_the_helper_program_is(folder):
    run(pkg_config("--variable=worker")[0], expected=2)


def plugin_works(folder, libraries, answers, **environment):
    """Lets a plugin run its own function and one of its host's, which gives the answer for its kind."""
    plugin, host = folder / "plugin.so", folder / "host"
    run(CC, *WARNINGS, include(), "-shared", "-fPIC", "-o", plugin, HERE / "plugin.c", *libraries)
    run(CC, "-std=c11", *WARNINGS, "-o", host, HERE / "host.c", "-ldl")
    for kind, answer in answers.items():
        image = {"IMAGE": "carpool-worker"} if kind == "processes" and "LD_LIBRARY_PATH" in environment else {}
        run(host, plugin, kind, answer, **image, **environment)


def plain_folder():
    """A folder without a space in its name: LD_PRELOAD knows no way to write one."""
    return tempfile.TemporaryDirectory(prefix="carpool-plain-")


@check
def a_program_may_open_use_and_close_a_plugin_and_exit(folder):
    with plain_folder() as plain:
        lib = shutil.copytree(prefix(), Path(plain, "prefix"), symlinks=True) / "lib"
        plugin_works(folder, shared_by_hand(), {"threads": 1, "processes": 2}, LD_LIBRARY_PATH=lib)


@check
def a_space_in_the_librarys_path_costs_only_functions_of_programs_that_are_not_linked_with_it(folder):
    expect(" " in str(prefix()), f"there is no space in {prefix()}")
    answers = {"threads": 1, "processes": REFUSED}
    plugin_works(folder, shared_by_hand(), answers, LD_LIBRARY_PATH=prefix() / "lib")


@check
def a_plugin_may_contain_the_static_library(folder):
    libraries = [*pkg_config("--variable=static_in_shared_ldflags"), *static_by_hand()]
    with plain_folder() as plain:
        plugin_works(Path(plain), libraries, {"threads": 1, "processes": 2})


@check
def two_rust_libraries_fit_into_one_program(folder):
    other, program = folder / "libother.a", folder / "beside_rust"
    rustc = ["rustc", "--edition=2024", "--crate-type=staticlib", "-Copt-level=1", "-o", other, HERE / "other.rs"]
    run(*rustc)
    for libraries in ([other, *static_by_hand()], [*static_by_hand(), other]):
        run(CC, *WARNINGS, include(), "-o", program, HERE / "beside_rust.c", *libraries, *NATIVE)
        both_kinds(program)


@check
def an_installation_with_other_folders_works_and_can_be_removed(folder):
    stage = folder / "stage"
    for libdir in ("lib/x86_64-linux-gnu", "/usr/lib64"):
        folders = [f"DESTDIR={stage}", "PREFIX=/usr", f"LIBDIR={libdir}", "INCLUDEDIR=include/carpool-0"]
        run("make", "-C", ROOT, *folders, "install")
        lib = stage / "usr" / libdir.removeprefix("/usr/")
        run(stage / "usr/libexec/carpool/carpool-worker", expected=2)
        words = pkg_config("--cflags", "--libs", path=lib / "pkgconfig")
        program = folder / "consumer"
        run(CC, *WARNINGS, "-o", program, *SOURCES, *words)
        links_to(program, shared=True)
        both_kinds(program, LD_LIBRARY_PATH=lib)
        plugin_works(folder, words, {"threads": 1, "processes": REFUSED}, LD_LIBRARY_PATH=lib)
        run("make", "-C", ROOT, *folders, "uninstall")
        left = [path for path in stage.rglob("*") if not path.is_dir()]
        expect(not left, f"left behind: {left}")
