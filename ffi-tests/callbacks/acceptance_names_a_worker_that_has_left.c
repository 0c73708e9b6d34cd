/* on_accept gets the process of the worker that took the task, also if that worker has exited before the
 * submit returns, or dies of the task. */
#include "rendezvous.h"
#include <signal.h>

enum { TASKS = 3000, AT_ONCE = 30 };

struct seen {
    _Atomic uint32_t accepted, drops;
    _Atomic int64_t pid, own_pid;
};

static struct seen seen[AT_ONCE];

static void note_accept(uint32_t worker, int64_t pid, void *user) {
    struct seen *seen = (struct seen *)user;
    (void)worker;
    seen->pid = pid;
    seen->accepted++;
}

static void note_drop(void *user) {
    ((struct seen *)user)->drops++;
}

static int32_t tell_pid(pool_task_t *task) {
    uint32_t word;
    memcpy(&word, pool_task_args(task, NULL), sizeof word);
    word_set(word, (uint32_t)getpid());
    return 0;
}

static int32_t tell_pid_and_die(pool_task_t *task) {
    tell_pid(task);
    raise(SIGKILL);
    return 0;
}

static void submit_all(pool_t *pool, pool_task_fn function) {
    memset(seen, 0, sizeof seen);
    for (uint32_t i = 0; i < AT_ONCE; i++) {
        uint32_t word = WORD_FIRST + i;
        pool_call_t call = POOL_CALL_INIT;
        call.task.pointer = function;
        call.task.args = &word;
        call.task.len = sizeof word;
        call.on_accept = note_accept;
        call.user = &seen[i];
        call.drop = note_drop;
        CHECK_OK(pool_submit_call(pool, &call, NULL));
    }
    for (uint32_t i = 0; i < AT_ONCE; i++) {
        while (seen[i].drops == 0) pause_briefly();
        CHECK_EQUAL(seen[i].accepted, 1);
        CHECK_EQUAL(seen[i].pid, word_get(WORD_FIRST + i));
    }
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    pool_options_t restless = options;
    restless.idle_timeout_ms = POOL_NOW;
    pool_t *pool = new_pool(&restless, 2);
    for (int i = 0; i < TASKS / AT_ONCE; i++) submit_all(pool, tell_pid);
    pool_free(pool);
    pool = new_pool(&options, 2);
    for (int i = 0; i < 10; i++) submit_all(pool, tell_pid_and_die);
    pool_free(pool);
    return leaves_nothing_behind();
}
