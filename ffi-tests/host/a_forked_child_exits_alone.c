/* A forked child that exits, by exit and not by _exit, runs none of its parent's handlers, waits
 * for none of its tasks, and leaves its pools alone. */
#include "lifecycle.h"
#include <sys/wait.h>

enum { HANDLED = LIFECYCLE_FIRST };

static void note(void *user) {
    (void)user;
    word_add(HANDLED, 1);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    count_lifecycle(&options);
    options.at_exit = POOL_EXIT_DRAIN;
    pool_t *pool = new_pool(&options, 1);
    future_t *running, *waiting;
    uint64_t handler;
    int status;
    CHECK_OK(pool_at_exit(note, NULL, NULL, &handler));
    occupy(pool, 0, 1, &running);
    CHECK_OK(pool_submit(pool, count_task, NULL, 0, &waiting));

    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) exit(5);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK_EQUAL(WEXITSTATUS(status), 5);

    CHECK_EQUAL(word_get(HANDLED), 0);
    CHECK_EQUAL(word_get(FINALIZED), 0);
    CHECK_OK(pool_check(pool, NULL));
    CHECK_EQUAL(future_state(running), FUTURE_RUNNING);
    CHECK_EQUAL(future_state(waiting), FUTURE_PENDING);
    release(0);
    CHECK_EQUAL(collect_number(waiting), 0);
    CHECK_OK(pool_remove_at_exit(handler));
    future_free(running);
    future_free(waiting);
    pool_free(pool);
    CHECK_EQUAL(word_get(FINALIZED), 1);
    return leaves_nothing_behind();
}
