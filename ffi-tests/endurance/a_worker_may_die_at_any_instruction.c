/* A worker that is killed at any instruction of taking a task, running it, and leaving results of all sizes costs at most
 * the task that it runs: that fails and says how the worker died, every other runs once with the right result, the
 * statistics add up, and the pool goes on. ENDURANCE_SECONDS sets for how long instructions are tried, in an order of
 * their own for each seed; ENDURANCE_CASE=N tries instruction N. */
#include "endurance.h"
#include "instructions.h"

enum { TASKS = 3 };
enum { ROUND = WORD_FIRST, IS_READY, MAY_GO, IS_DONE, IS_KNOWN, THREAD, WORKER, LOST, RUNS };

/* ---- the program ---------------------------------------------------------------------------------- */

/* By the number of the task: within the slot, in the heap, in a file. */
static const size_t sizes[TASKS] = {8, 300000, 5000};

/* Writes only the ends of its result: what is between is none of the library's code. Number TASKS tells of its worker
 * instead. */
static int32_t work(pool_task_t *task) {
    uint64_t number;
    memcpy(&number, pool_task_args(task, NULL), sizeof number);
    if (number == TASKS) {
        word_set(WORKER, (uint32_t)getpid());
        word_set(THREAD, (uint32_t)syscall(SYS_gettid));
        return 0;
    }
    atomic_fetch_add(word(RUNS + number), 1);
    unsigned char *result = (unsigned char *)pool_task_result(task, sizes[number]);
    if (!result) return 1;
    result[0] = result[sizes[number] - 1] = (unsigned char)(number + 1);
    return 0;
}

/* Another function, which the worker has to look for first. */
static int32_t work_elsewhere(pool_task_t *task) {
    return work(task);
}

/* Returns whether the worker was lost with it. */
static bool check_outcome(future_t *future, uint64_t number, pid_t worker) {
    const void *data = NULL;
    size_t len = 0;
    CHECK_OK(future_wait(future, POOL_FOREVER));
    pool_status_t status = future_result(future, &data, &len);
    if (status == POOL_OK) {
        CHECK_EQUAL(word_get(RUNS + number), 1);
        CHECK_EQUAL(len, sizes[number]);
        const unsigned char *bytes = (const unsigned char *)data;
        CHECK(bytes[0] == number + 1 && bytes[len - 1] == number + 1);
    } else {
        pool_error_t error = check_lost(future);
        CHECK_EQUAL(error.signal, SIGKILL);
        CHECK_EQUAL(error.worker_pid, worker);
        CHECK(word_get(RUNS + number) <= 1);
    }
    future_free(future);
    return status != POOL_OK;
}

static void play(pool_t *pool, uint64_t *submitted, uint64_t *lost) {
    future_t *futures[TASKS];
    const uint64_t tell = TASKS;
    int32_t (*function)(pool_task_t *) = word_get(IS_KNOWN) ? work : work_elsewhere;
    CHECK_OK(pool_run(pool, work, &tell, sizeof tell, POOL_FOREVER, NULL, 0, NULL));
    CHECK_OK(pool_wait_idle(pool, POOL_FOREVER));
    await_busy_workers(pool, 0);
    for (int i = 0; i < TASKS; i++) atomic_store(word(RUNS + i), 0);
    uint32_t round = word_get(ROUND), lost_now = 0;
    pid_t worker = (pid_t)word_get(WORKER);
    word_set(IS_READY, round);
    word_wait(MAY_GO, round);
    for (uint64_t i = 0; i < TASKS; i++) CHECK_OK(pool_submit(pool, function, &i, sizeof i, &futures[i]));
    for (uint64_t i = 0; i < TASKS; i++) lost_now += check_outcome(futures[i], i, worker);
    *submitted += TASKS + 1;
    *lost += lost_now;
    word_set(LOST, lost_now);
    word_set(IS_DONE, round);
}

static int live(const pool_options_t *options) {
    uint64_t submitted = 0, lost = 0;
    pool_t *pool = new_pool(options, 1);
    pool_stats_t stats = POOL_STATS_INIT;
    for (uint32_t round = 1;; round++) {
        word_wait(ROUND, round);
        if (word_get(ROUND) == UINT32_MAX) break;
        play(pool, &submitted, &lost);
    }
    CHECK_OK(pool_stats(pool, &stats));
    CHECK_EQUAL(stats.tasks_submitted, submitted);
    CHECK_EQUAL(stats.tasks_lost, lost);
    CHECK_EQUAL(stats.tasks_failed, lost);
    CHECK_EQUAL(stats.tasks_completed, submitted - lost);
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    pool_free(pool);
    return leaves_nothing_behind();
}

/* ---- the tester ----------------------------------------------------------------------------------- */

static uint32_t rounds;
static struct instructions known, sought; /* of a batch whose function the worker has found before, or not */

/* Begins a round: its worker is stopped, and the batch is being submitted. */
static struct traced begin_round(bool is_known) {
    word_set(IS_KNOWN, is_known);
    word_set(ROUND, ++rounds);
    word_wait(IS_READY, rounds);
    struct traced worker = {(pid_t)word_get(WORKER), (pid_t)word_get(THREAD), IS_DONE, rounds, 0, 0};
    if (!begin_tracing(&worker)) {
        printf("skip: instructions: processes may not be traced here\n");
        exit(SKIPPED);
    }
    word_set(MAY_GO, rounds);
    return worker;
}

static void record(bool is_known) {
    struct traced worker = begin_round(is_known);
    record_instructions(&worker, is_known ? &known : &sought);
    word_wait(IS_DONE, rounds);
    end_tracing(&worker);
    CHECK_EQUAL(word_get(LOST), 0);
}

/* Returns whether the worker came to the instruction, and was killed there. */
static bool kill_at(bool is_known, size_t n) {
    struct traced worker = begin_round(is_known);
    bool is_killed = run_to(&worker, is_known ? &known : &sought, n);
    if (is_killed) kill_traced(&worker);
    word_wait(IS_DONE, rounds);
    if (!is_killed) end_tracing(&worker);
    CHECK(word_get(LOST) <= is_killed);
    return is_killed;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    if (argc > 2) return live(&options);
    uint64_t seed = endurance_seed() | 1, end = now_ns() + endurance_ns(3), kills = 0, lost = 0;
    size_t next[2] = {random_below(&seed, INSTRUCTIONS), random_below(&seed, INSTRUCTIONS)};
    const char *wanted = getenv("ENDURANCE_CASE");
    look_at_the_time();
    word(0);
    pid_t host = run_again(argv, "live");
    record(true);
    record(false);
    /* Of the search one in eight. */
    for (uint64_t i = 0; !endurance_is_over(end, "%" PRIu64 " kills of %zu", kills, known.n); i++) {
        bool is_known = wanted || i % 8 != 0;
        size_t n = is_known ? known.n : sought.n;
        next[is_known] += 39916801; /* a prime: it meets all, in another order */
        kills += kill_at(is_known, wanted ? strtoull(wanted, NULL, 10) : next[is_known] % n);
        lost += word_get(LOST);
    }
    word_set(ROUND, UINT32_MAX);
    CHECK_EQUAL(status_of(host), 0);
    printf("%" PRIu64 " kills in a batch of %zu instructions, and of %zu where its function is sought; %" PRIu64 " tasks lost\n",
           kills, known.n, sought.n, lost);
    return leaves_nothing_behind();
}
