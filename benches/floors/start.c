/* How long does it take to spawn /bin/true and to wait for its exit?
 *
 *     start PROCESSES */
#include "bench.h"
#include <spawn.h>

extern char **environ;

int main(int argc, char **argv) {
    if (argc != 2) die("usage: %s PROCESSES", argv[0]);
    uint64_t processes = number(argv[1]);
    uint64_t *whole_ns = new_touched(processes * sizeof *whole_ns);
    char *child_argv[] = {"true", NULL};

    struct span span = span_begin();
    for (uint64_t i = 0; i < processes; i++) {
        uint64_t begin_ns = now_ns();
        pid_t pid;
        int status;
        CHECK(posix_spawn(&pid, "/bin/true", NULL, NULL, child_argv, environ) == 0);
        CHECK(waitpid(pid, &status, 0) == pid && status == 0);
        whole_ns[i] = now_ns() - begin_ns;
    }
    span_end(&span);
    printf("{\"processes\": %" PRIu64 ", \"whole_ns\": %" PRIu64 ", \"cpu_ns\": %.1f}\n", processes,
           percentile(whole_ns, processes, 50), cpu_each_ns(&span, processes));
    return 0;
}
