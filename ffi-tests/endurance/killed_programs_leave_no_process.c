/* A program that is killed at any moment of its life with a pool takes all its processes with it, within a second:
 * workers, fork servers, and those that were just starting. ENDURANCE_SECONDS sets how long. */
#include "endurance.h"
#include <sys/prctl.h>
#include <sys/wait.h>

enum { WORKERS = 3, LIFE_US = 50000 };

/* The program that is killed: makes pools, uses and frees them. */
static int live(const pool_options_t *options) {
    for (uint64_t n = 0;; n++) {
        pool_t *pool = new_pool(options, WORKERS);
        for (int i = 0; i < 200; i++) {
            future_t *future;
            CHECK_OK(pool_submit(pool, square, &n, sizeof n, &future));
            if (i % 8 == 0) CHECK_OK(future_wait(future, POOL_FOREVER));
            future_free(future);
        }
        if (n % 2) pool_shutdown(pool, POOL_STOP_KILL, POOL_FOREVER);
        pool_free(pool);
    }
    return 1;
}

/* All processes that the killed one leaves become children of this one: it is their subreaper. */
static uint64_t reap_all(pid_t program) {
    uint64_t killed = now_ns();
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid == -1 && errno == ECHILD) return now_ns() - killed;
        CHECK(pid != program || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)); /* it had not failed */
        if (pid == 0) {
            if (now_ns() - killed > 1000000000u) check_failed(__FILE__, __LINE__, "a process is left");
            usleep(200);
        }
    }
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    if (argc > 2) return live(&options);
    uint64_t seed = endurance_seed() | 1, end = now_ns() + endurance_ns(2), rounds = 0, longest = 0;
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
    while (!endurance_is_over(end, "%" PRIu64 " programs killed", rounds)) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            execl("/proc/self/exe", argv[0], argv[1], "live", (char *)NULL);
            _exit(127);
        }
        usleep((useconds_t)random_below(&seed, LIFE_US));
        CHECK(kill(child, SIGKILL) == 0);
        uint64_t took = reap_all(child);
        if (took > longest) longest = took;
        rounds++;
    }
    printf("%" PRIu64 " programs killed; their last process was gone after at most %" PRIu64 " us\n", rounds,
           longest / 1000);
    return leaves_nothing_behind();
}
