/* Workers that kill one another are replaced, and both tasks come to an end. */
#include "processes.h"

enum { ROUNDS = 20, PIDS = WORD_FIRST };

struct duel {
    uint32_t round, self;
};

static size_t pid_word(uint32_t round, uint32_t self) {
    return PIDS + 2 * round + self;
}

static int32_t kill_the_other(pool_task_t *task) {
    struct duel duel;
    memcpy(&duel, pool_task_args(task, NULL), sizeof duel);
    word_set(pid_word(duel.round, duel.self), (uint32_t)getpid());
    word_wait(pid_word(duel.round, !duel.self), 1);
    kill((pid_t)word_get(pid_word(duel.round, !duel.self)), SIGKILL);
    return 0;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    pool_t *pool = new_pool(&options, 2);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        future_t *futures[2];
        int lost = 0;
        for (uint32_t self = 0; self < 2; self++) {
            struct duel duel = {round, self};
            CHECK_OK(pool_submit(pool, kill_the_other, &duel, sizeof duel, &futures[self]));
        }
        for (int i = 0; i < 2; i++) {
            CHECK_OK(future_wait(futures[i], POOL_FOREVER));
            if (future_state(futures[i]) == FUTURE_COMPLETED) continue;
            CHECK_EQUAL(check_lost(futures[i]).signal, SIGKILL);
            lost++;
        }
        /* A winner can have finished before the other's shot reached it, while it was idle. */
        CHECK(lost >= 1);
        wait_and_free(futures, 2);
        CHECK_OK(pool_join(pool, POOL_FOREVER)); /* The next round begins with fresh workers. */
    }
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    CHECK_OK(pool_check(pool, NULL));
    pool_free(pool);
    return leaves_nothing_behind();
}
