/* Submits that wait for room in the queue continue when the busy worker is killed, again and again. */
#include "processes.h"
#include "queue.h"

enum { COUNT = WORD_FIRST, ROUNDS = 5 };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    options.max_pending = 1;
    pool_t *pool = new_pool(&options, 1);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        future_t *running, *waiting;
        submitter_t submitter;
        occupy(pool, round, 1, &running);
        CHECK_OK(submit_within(pool, count_in_word, COUNT, POOL_FOREVER, &waiting));
        start_submitter(&submitter, pool, COUNT);
        await_waiting_submits(pool, 1);
        CHECK(kill(pid_of_worker(0), SIGKILL) == 0);
        CHECK_OK(join_submitter(&submitter));
        CHECK_OK(future_wait(running, POOL_FOREVER));
        CHECK_EQUAL(future_state(running), FUTURE_FAILED);
        future_free(running);
        wait_and_free(&waiting, 1);
        wait_and_free(&submitter.future, 1);
    }
    CHECK_EQUAL(word_get(COUNT), 2 * ROUNDS);
    pool_free(pool);
    return leaves_nothing_behind();
}
