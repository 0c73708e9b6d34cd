"""Projects that use the library by way of CMake: found as a package, or contained as a folder."""

import shutil
import tempfile
from pathlib import Path

from outside import HERE, ROOT, Failure, both_kinds, check, expect, links_to, prefix, run, tools


def cmake(folder, project, *settings):
    """Configures and builds a project in an empty folder."""
    program = tools.bring("cmake")
    ninja = f"-DCMAKE_MAKE_PROGRAM={tools.bring('ninja')}"
    shutil.rmtree(folder, ignore_errors=True)
    run(program, "-S", HERE / project, "-B", folder, "-G", "Ninja", ninja, *settings)
    run(program, "--build", folder)
    return folder


def finds(folder, wanted="REQUIRED", linked="carpool::carpool", *settings):
    found = [f"-DCMAKE_PREFIX_PATH={prefix()}", f"-DWANTED={wanted}", f"-DLINKED={linked}"]
    return cmake(folder / "build", "finds", *found, "-DCMAKE_C_FLAGS=-Wall -Werror", *settings)


def works(build, shared):
    for program in (build / "consumer", build / "consumer_cpp"):
        links_to(program, shared)
        both_kinds(program)
    links_to(build / "libplugin.so", shared)


@check
def cmake_finds_the_shared_library_unless_told_otherwise(folder):
    works(finds(folder), shared=True)


@check
def cmake_finds_what_the_components_name(folder):
    works(finds(folder, "0.1;REQUIRED;COMPONENTS;static"), shared=False)
    works(finds(folder, "REQUIRED;COMPONENTS;shared;static"), shared=True)
    works(finds(folder, "REQUIRED;COMPONENTS;shared;static", "carpool::static"), shared=False)


@check
def cmake_takes_the_static_library_when_a_variable_says_so(folder):
    works(finds(folder, "REQUIRED", "carpool::carpool", "-DCARPOOL_USE_STATIC_LIBS=ON"), shared=False)


@check
def cmake_takes_the_library_that_is_installed_where_only_one_is(folder):
    for gone, shared in (("*.so*", False), ("*.a", True)):
        alone = folder / "alone"
        shutil.copytree(prefix(), alone, symlinks=True)
        for path in alone.glob(f"lib/{gone}"):
            path.unlink()
        works(finds(folder, "REQUIRED", "carpool::carpool", f"-DCMAKE_PREFIX_PATH={alone}"), shared)
        shutil.rmtree(alone)


def refused(folder, wanted, *words):
    try:
        finds(folder, wanted)
    except Failure as failure:
        text = " ".join(str(failure).split())
        missing = [word for word in words if word not in text]
        expect(not missing, f"the refusal does not say {missing}:\n{failure}")
    else:
        raise Failure(f"find_package(carpool {wanted}) was not refused")


@check
def cmake_refuses_versions_and_components_that_are_not_there(folder):
    version = (prefix() / "lib/pkgconfig/carpool.pc").read_text().split("Version: ")[1].split()[0]
    major, minor, patch = (int(part) for part in version.split("."))
    finds(folder, f"{version};EXACT;REQUIRED")
    finds(folder, f"{major}.{minor};REQUIRED")
    accepted = f"version: {version}"
    refused(folder, "9.0;REQUIRED", 'requested version "9.0"', accepted)
    refused(folder, f"{major}.{minor}.{patch + 1};REQUIRED", accepted)
    refused(folder, f"{major}.{minor + 1};REQUIRED", accepted)
    refused(folder, "REQUIRED;COMPONENTS;tyres", 'no component "tyres"')
    numbers = run(tools.bring("cmake"), "--version").split()[2].split(".")
    if (int(numbers[0]), int(numbers[1])) >= (3, 19):  # The first that knows ranges.
        finds(folder, f"{major}.{minor}...<{major + 1};REQUIRED")
        refused(folder, f"{major + 1}.0...{major + 2};REQUIRED", accepted)


@check
def cmake_builds_projects_that_contain_the_sources(folder):
    # Not in the given folder: make cannot build where there is a space in the name.
    with tempfile.TemporaryDirectory(prefix="carpool-contained-") as place:
        build = cmake(Path(place, "build"), "contains", f"-DSOURCES={ROOT}")
        for kind in ("carpool", "shared", "static"):
            links_to(build / f"consumer_{kind}", shared=kind != "static")
            both_kinds(build / f"consumer_{kind}")
