/* With POOL_SCHED_PREFETCH a killed worker may have taken tasks from the queue that it had not started:
 * another worker runs these, once; only the task that was running is lost. */
#include "processes.h"
#include "queue.h"

enum { COUNT = WORD_FIRST, N = 200, ROUNDS = 4 };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    options.sched = POOL_SCHED_PREFETCH;
    options.max_pending = N + 2;
    pool_t *pool = new_pool(&options, 1);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        future_t *busy, *next, *futures[N];
        uint32_t index = COUNT;
        word_set(COUNT, 0);
        occupy(pool, 2 * round, 1, &busy);
        next = submit_to_gate(pool, 2 * round + 1);
        for (uint32_t i = 0; i < N; i++)
            CHECK_OK(pool_submit(pool, count_in_word, &index, sizeof index, &futures[i]));
        release(2 * round);
        word_wait(gate_started(2 * round + 1), 1);
        CHECK(kill(pid_of_worker(0), SIGKILL) == 0);
        CHECK_OK(future_wait(next, POOL_FOREVER));
        check_lost(next);
        for (uint32_t i = 0; i < N; i++) {
            CHECK_OK(future_wait(futures[i], POOL_FOREVER));
            CHECK_EQUAL(future_state(futures[i]), FUTURE_COMPLETED);
            future_free(futures[i]);
        }
        future_free(next);
        wait_and_free(&busy, 1);
        CHECK_EQUAL(word_get(COUNT), N);
        CHECK_EQUAL(pool_count_pending_tasks(pool), 0);
    }
    pool_free(pool);
    return leaves_nothing_behind();
}
