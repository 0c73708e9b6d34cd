/* A pool that is open when the program exits is shut down as at_exit says: running tasks end, queued tasks
 * are cancelled or run too; the exit status is the program's, and exit does not hang in any thread. */
#include "rerun.h"

enum { TASKS = 8, DONE = LIFECYCLE_FIRST, ORDER, DROPS };

static void exit_in_callback(future_t *future, void *user) {
    (void)future, (void)user;
    exit(23);
}

static int32_t exit_in_task(pool_task_t *task) {
    (void)task;
    exit(23);
}

static void note_order(void *user) {
    uint32_t which = (uint32_t)(uintptr_t)user;
    CHECK_EQUAL(word_add(ORDER, 1), which);
    CHECK_EQUAL(pool_count_live(), 1);
}

static void note_drop(void *user) {
    (void)user;
    word_add(DROPS, 1);
}

/* The program that exits: a task that runs, others that wait, and the pool left open. */
static void leave(const pool_options_t *base, const char *how) {
    pool_options_t options = *base;
    bool is_in_callback = strcmp(how, "callback") == 0, is_in_task = strcmp(how, "task") == 0;
    if (strcmp(how, "drain") == 0) options.at_exit = POOL_EXIT_DRAIN;
    if (strcmp(how, "kill") == 0) options.at_exit = POOL_EXIT_KILL;
    if (strcmp(how, "none") == 0) options.at_exit = POOL_EXIT_NONE;
    pool_t *pool = new_pool(&options, 1);
    future_t *running;
    uint64_t removed;
    CHECK_OK(pool_at_exit(note_order, (void *)0, note_drop, NULL));
    CHECK_OK(pool_at_exit(note_order, (void *)9, note_drop, &removed));
    CHECK_OK(pool_at_exit(note_order, (void *)1, note_drop, NULL));
    CHECK_OK(pool_remove_at_exit(removed));
    CHECK_IS(pool_remove_at_exit(removed), POOL_ERR_INVALID);
    CHECK_IS(pool_at_exit(NULL, NULL, note_drop, NULL), POOL_ERR_INVALID);
    CHECK_EQUAL(word_get(DROPS), 2);
    if (is_in_task) CHECK_OK(pool_submit(pool, exit_in_task, NULL, 0, NULL));
    if (is_in_task) word_wait(DONE, 1); /* never: the task ends the program */
    occupy(pool, 0, 1, &running);
    uint32_t done = DONE;
    for (int i = 0; i < TASKS; i++) {
        CHECK_OK(pool_submit(pool, count_in_word, &done, sizeof done, NULL));
    }
    if (is_in_callback) {
        CHECK_OK(future_on_done(running, exit_in_callback, NULL, NULL, NULL));
        release(0);
        word_wait(WORD_FIRST + 100, 1); /* never */
    }
    if (strcmp(how, "kill") != 0 && strcmp(how, "none") != 0) release(0);
    exit(23);
}

static void runs(char **argv, const char *how, bool runs_all) {
    rerun(argv, how, 23);
    CHECK_EQUAL(word_after_rerun(how, ORDER), 2);
    CHECK_EQUAL(word_after_rerun(how, DROPS), 4);
    if (runs_all) CHECK_EQUAL(word_after_rerun(how, DONE), TASKS);
    if (strcmp(how, "cancel") == 0) CHECK(word_after_rerun(how, DONE) <= TASKS);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    if (argc > 2) leave(&options, argv[2]);
    runs(argv, "cancel", false);
    runs(argv, "drain", true);
    runs(argv, "callback", false);
    if (options.kind == POOL_PROCESS) runs(argv, "kill", false);
    if (options.kind == POOL_PROCESS) runs(argv, "none", false);
    if (options.kind == POOL_THREAD) runs(argv, "task", false);
    return leaves_nothing_behind();
}
