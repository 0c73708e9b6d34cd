/* When a worker that runs a task is killed from outside, exactly that task fails. */
#include "processes.h"

enum { WORKERS = 3, QUEUED = 100, ROUNDS = 10 };

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    pool_t *pool = new_pool(&options, WORKERS);
    for (uint32_t gate = 0; gate < ROUNDS; gate++) {
        future_t *busy[WORKERS], *queued[QUEUED];
        int lost = 0;
        occupy(pool, gate, WORKERS, busy);
        for (uint64_t i = 0; i < QUEUED; i++) {
            CHECK_OK(pool_submit(pool, square, &i, sizeof i, &queued[i]));
        }
        pid_t victim = pid_of_worker(gate % WORKERS);
        kill(victim, SIGKILL);
        /* While the others wait at the gate, the one that replaces it does all the rest. */
        for (uint64_t i = 0; i < QUEUED; i++) CHECK_EQUAL(collect_number(queued[i]), i * i);
        for (int i = 0; i < WORKERS; i++) {
            if (!future_is_done(busy[i])) continue;
            pool_error_t error = check_lost(busy[i]);
            CHECK_EQUAL(error.worker_pid, victim);
            CHECK_EQUAL(error.signal, SIGKILL);
            CHECK_EQUAL(error.exit_code, 0);
            lost++;
        }
        CHECK_EQUAL(lost, 1);
        release(gate);
        wait_and_free(busy, WORKERS);
        wait_and_free(queued, QUEUED);
    }
    pool_free(pool);
    return leaves_nothing_behind();
}
