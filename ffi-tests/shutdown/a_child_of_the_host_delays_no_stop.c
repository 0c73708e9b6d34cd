/* A child that the host forks has copies of the pool's descriptors. It holds up no shutdown, not even for as
 * long as a fork server is waited for that does not end. */
#include "processes.h"
#include <sys/wait.h>

enum { WORKERS = 2, LONG_BEFORE_A_KILL_MS = 1500 };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    pool_t *pool = new_pool(&options, WORKERS);
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    CHECK_OK(pool_wait_ready(pool, WORKERS, POOL_FOREVER));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        for (;;) pause();
    }
    /* A fork server that is not told to end is killed after 2 s. */
    CHECK_OK(pool_shutdown(pool, POOL_STOP_KILL, LONG_BEFORE_A_KILL_MS));
    pool_free(pool);
    kill(child, SIGKILL);
    CHECK(waitpid(child, NULL, 0) == child);
    return leaves_nothing_behind();
}
