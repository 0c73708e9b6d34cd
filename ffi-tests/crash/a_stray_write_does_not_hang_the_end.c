/* A thread that a task has left behind writes over the word on which the pool's own thread sleeps, which waits for
 * the ends of tasks: the pool still ends, and so does every future. */
#include "board.h"
#include "processes.h"
#include <pthread.h>

enum { ROUNDS = 16, COMPLETION_EVENT = BOARD_START + 256 };

/* Takes back each notification until the process ends. */
static void *write_over(void *unused) {
    (void)unused;
    _Atomic uint32_t *word = (_Atomic uint32_t *)(void *)(shared_memory() + COMPLETION_EVENT);
    for (;;) {
        atomic_fetch_sub(word, 1);
        pause_briefly();
    }
    return NULL;
}

static int32_t leave_a_thread(pool_task_t *task) {
    pthread_t thread;
    (void)task;
    CHECK(pthread_create(&thread, NULL, write_over, NULL) == 0);
    CHECK(pthread_detach(thread) == 0);
    return 0;
}

static void count_call(future_t *future, void *calls) {
    (void)future;
    atomic_fetch_add((_Atomic int *)calls, 1);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) exit(SKIPPED);
    for (int round = 0; round < ROUNDS; round++) {
        pool_t *pool = new_pool(&options, 1);
        future_set_t *set;
        future_t *future;
        _Atomic int calls = 0;
        CHECK_OK(future_set_new(&set));
        CHECK_OK(pool_submit(pool, leave_a_thread, NULL, 0, &future));
        CHECK_OK(future_set_add(set, future));
        CHECK_OK(future_on_done(future, count_call, (void *)&calls, NULL, NULL));
        future_wait(future, 1000);
        pool_shutdown(pool, POOL_STOP_KILL, POOL_FOREVER);
        pool_free(pool);
        CHECK_EQUAL(atomic_load(&calls), 1);
        future_free(future);
        future_set_free(set);
    }
    return leaves_nothing_behind();
}
