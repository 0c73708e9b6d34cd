/* A fork server that is killed at any instruction of reaping a worker and starting the next one costs no task, and leaves
 * no process: it is executed again. With POOL_FORK, where nothing can be executed, the pool is broken, every future
 * ends, and a new pool works. ENDURANCE_SECONDS sets for how long instructions are tried; ENDURANCE_CASE=N tries
 * instruction N. */
#include "endurance.h"
#include "instructions.h"

enum { TASKS = 3 };
enum { ROUND = WORD_FIRST, IS_READY, MAY_GO, IS_DONE, SERVER, RUNS };

/* ---- the program ---------------------------------------------------------------------------------- */

/* Result: its process, and that one's parent. */
static int32_t tell_ids(pool_task_t *task) {
    int64_t ids[2] = {getpid(), getppid()};
    return pool_task_return(task, ids, sizeof ids);
}

static int32_t work(pool_task_t *task) {
    uint64_t number;
    memcpy(&number, pool_task_args(task, NULL), sizeof number);
    atomic_fetch_add(word(RUNS + number), 1);
    return square(task);
}

/* The idle worker of a pool, one that its fork server has started: the first one was started beside it. */
static pid_t idle_worker(pool_t *pool) {
    for (;;) {
        int64_t ids[2];
        CHECK_OK(pool_run(pool, tell_ids, NULL, 0, POOL_FOREVER, ids, sizeof ids, NULL));
        CHECK_OK(pool_wait_idle(pool, POOL_FOREVER));
        await_busy_workers(pool, 0);
        bool is_of_server = ids[1] != getppid() && is_of_this_test((pid_t)ids[1]);
        word_set(SERVER, (uint32_t)ids[1]);
        if (is_of_server) return (pid_t)ids[0];
        kill_and_wait((pid_t)ids[0]);
    }
}

static pool_t *play(pool_t *pool, const pool_options_t *options) {
    future_t *futures[TASKS] = {NULL};
    pool_status_t may_be = options->start == POOL_FORK ? POOL_ERR_BROKEN : POOL_OK;
    uint32_t round = word_get(ROUND);
    pid_t worker = idle_worker(pool);
    for (int i = 0; i < TASKS; i++) atomic_store(word(RUNS + i), 0);
    word_set(IS_READY, round);
    word_wait(MAY_GO, round);
    kill(worker, SIGKILL);
    for (uint64_t i = 0; i < TASKS; i++) {
        pool_status_t status = pool_submit(pool, work, &i, sizeof i, &futures[i]);
        if (status != POOL_OK) CHECK_IS(status, may_be);
    }
    for (uint64_t i = 0; i < TASKS; i++) {
        const void *data;
        uint64_t number;
        if (!futures[i]) continue;
        pool_status_t status = future_collect(futures[i], POOL_FOREVER, &data, NULL);
        if (status == POOL_OK) {
            memcpy(&number, data, sizeof number);
            CHECK_EQUAL(number, i * i);
            CHECK_EQUAL(word_get(RUNS + i), 1);
        } else if (status == POOL_ERR_WORKER_LOST) {
            CHECK_EQUAL(check_lost(futures[i]).worker_pid, worker); /* which took it as it was killed */
        } else {
            CHECK_IS(status, may_be);
        }
        future_free(futures[i]);
    }
    word_set(IS_DONE, round);
    if (pool_check(pool, NULL) == POOL_OK) return pool;
    CHECK_IS(pool_check(pool, NULL), may_be);
    pool_free(pool);
    return new_pool(options, 1);
}

static int live(const pool_options_t *options) {
    pool_t *pool = new_pool(options, 1);
    for (uint32_t round = 1;; round++) {
        word_wait(ROUND, round);
        if (word_get(ROUND) == UINT32_MAX) break;
        pool = play(pool, options);
    }
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    pool_free(pool);
    return leaves_nothing_behind();
}

/* ---- the tester ----------------------------------------------------------------------------------- */

static uint32_t rounds;
static struct instructions all;

/* Begins a round: its fork server is stopped, and its worker is being killed. */
static struct traced begin_round(void) {
    word_set(ROUND, ++rounds);
    word_wait(IS_READY, rounds);
    struct traced server = {(pid_t)word_get(SERVER), (pid_t)word_get(SERVER), IS_DONE, rounds, 0, 0};
    if (!begin_tracing(&server)) {
        printf("skip: instructions: processes may not be traced here\n");
        exit(SKIPPED);
    }
    word_set(MAY_GO, rounds);
    return server;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    if (argc > 2) return live(&options);
    uint64_t seed = endurance_seed() | 1, end = now_ns() + endurance_ns(2), kills = 0;
    size_t next = random_below(&seed, INSTRUCTIONS);
    const char *wanted = getenv("ENDURANCE_CASE");
    look_at_the_time();
    word(0);
    pid_t host = run_again(argv, "live");
    struct traced server = begin_round();
    record_instructions(&server, &all);
    word_wait(IS_DONE, rounds);
    end_tracing(&server);
    while (!endurance_is_over(end, "%" PRIu64 " kills of %zu", kills, all.n)) {
        next += 39916801; /* a prime: it meets all, in another order */
        server = begin_round();
        bool is_killed = run_to(&server, &all, wanted ? strtoull(wanted, NULL, 10) : next % all.n);
        if (is_killed) kill_traced(&server);
        word_wait(IS_DONE, rounds);
        if (!is_killed) end_tracing(&server);
        kills += is_killed;
    }
    word_set(ROUND, UINT32_MAX);
    CHECK_EQUAL(status_of(host), 0);
    printf("%" PRIu64 " kills in a start of %zu instructions\n", kills, all.n);
    return leaves_nothing_behind();
}
