/* pool_request_stop is called in a signal handler, in the middle of submits: no task is accepted after it,
 * accepted tasks end as the mode says, and the first pool_shutdown after it returns POOL_OK. */
#include "rendezvous.h"
#include <errno.h>
#include <signal.h>

enum { ROUNDS = 20, TASKS = 2000, RAN = WORD_FIRST };

static pool_t *volatile pool;
static volatile pool_stop_t mode;
static volatile pool_status_t answer;

static void on_signal(int number) {
    (void)number;
    errno = 4321;
    answer = pool_request_stop(pool, mode);
    if (errno != 4321) _exit(9);
}

static void a_round(const pool_options_t *options, int round) {
    static future_t *futures[TASKS];
    uint32_t ran = RAN;
    size_t taken = 0, at = (size_t)round * 37 % TASKS, completed = 0;
    word_set(RAN, 0);
    pool = new_pool(options, 2);
    mode = round % 3 == 0 ? POOL_STOP_CANCEL : round % 3 == 1 ? POOL_STOP_DRAIN : POOL_STOP_KILL;
    answer = POOL_ERR_STATE;
    for (size_t i = 0; i < TASKS; i++) {
        if (i == at) raise(SIGUSR1);
        pool_status_t status = pool_submit(pool, count_in_word, &ran, sizeof ran, &futures[taken]);
        CHECK_IS(status, i < at ? POOL_OK : POOL_ERR_CLOSED);
        taken += status == POOL_OK;
    }
    CHECK_OK(answer);
    CHECK_EQUAL(taken, at);
    CHECK((pool_state(pool) & POOL_STATE_CLOSED) != 0);
    if (options->kind != POOL_INLINE && round % 2) {
        /* All may be over before anybody waits for it. */
        while (!(pool_state(pool) & POOL_STATE_TERMINATED)) pause_briefly();
    }
    CHECK_OK(pool_shutdown(pool, mode, POOL_FOREVER));
    CHECK_IS(pool_shutdown(pool, mode, POOL_FOREVER), POOL_ERR_CLOSED);
    for (size_t i = 0; i < taken; i++) {
        CHECK(future_is_done(futures[i]));
        completed += future_state(futures[i]) == FUTURE_COMPLETED;
        if (mode == POOL_STOP_DRAIN) CHECK_EQUAL(future_state(futures[i]), FUTURE_COMPLETED);
        future_free(futures[i]);
    }
    /* A task that was killed may have counted before. */
    CHECK(word_get(RAN) >= completed);
    CHECK_OK(pool_request_stop(pool, mode));
    CHECK_IS(pool_shutdown(pool, mode, POOL_FOREVER), POOL_ERR_CLOSED);
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    signal(SIGUSR1, on_signal);
    CHECK_IS(pool_request_stop(NULL, POOL_STOP_CANCEL), POOL_ERR_INVALID);
    for (int round = 0; round < ROUNDS; round++) a_round(&options, round);

    /* Nobody waits: freeing does. A wrong mode asks for nothing. */
    pool = new_pool(&options, 1);
    CHECK_IS(pool_request_stop(pool, 3), POOL_ERR_INVALID);
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    CHECK_OK(pool_request_stop(pool, POOL_STOP_DRAIN));
    CHECK_OK(pool_request_stop(pool, POOL_STOP_KILL));
    pool_free(pool);
    return leaves_nothing_behind();
}
