"""Event loops of others that drive a pool: each runs the same work, see loop.h."""

import shlex
import sys

from outside import CC, HERE, ROOT, check, library, prefix, run, tools

KINDS = ["thread", "spawn"]


def runs_in(loop, folder, *flags):
    program = folder / loop
    includes = [f"-I{prefix()}/include", f"-I{ROOT}/ffi-tests/support"]
    own = ["-L", prefix() / "lib", f"-Wl,-rpath,{prefix()}/lib", "-lcarpool", "-pthread"]
    warnings = ["-Wall", "-Wextra", "-Werror"]
    run(CC, "-std=gnu11", "-O2", *warnings, *includes, "-o", program, HERE / f"loop_{loop}.c", *own, *flags)
    for kind in KINDS:
        run(program, kind, TEST_TMP=folder)


@check
def a_loop_over_epoll_runs_the_callbacks(folder):
    runs_in("epoll", folder)


@check
def libuv_runs_the_callbacks(folder):
    tools.bring("uv.h")
    runs_in("libuv", folder, "-luv")


@check
def glib_runs_the_callbacks(folder):
    pkg_config = tools.bring("pkg-config")
    tools.bring("glib.h")
    runs_in("glib", folder, *shlex.split(run(pkg_config, "--cflags", "--libs", "glib-2.0")))


@check
def asyncio_runs_the_callbacks(folder):
    source, tasks = folder / "tasks.c", folder / "libtasks.so"
    source.write_text('#include "loop.h"\n')
    includes = [f"-I{prefix()}/include", f"-I{ROOT}/ffi-tests/support", f"-I{HERE}"]
    run(CC, "-shared", "-fPIC", *includes, "-o", tasks, source, "-L", prefix() / "lib", "-lcarpool")
    places = folder / "places.c"
    fields = ["kind", "max_workers", "driver"]
    offsets = "".join(f', offsetof(pool_options_t, {field})' for field in fields)
    places.write_text(
        "#include <carpool.h>\n#include <stdio.h>\n"
        f'int main(void) {{ printf("%zu %zu %zu %zu", sizeof(pool_options_t){offsets}); }}\n'
    )
    run(CC, includes[0], "-o", folder / "places", places)
    numbers = run(folder / "places").split()
    for kind in KINDS:
        script = [sys.executable, HERE / "loop_asyncio.py", library(), tasks, kind, *numbers]
        run(*script, TEST_TMP=folder, LD_LIBRARY_PATH=prefix() / "lib")
