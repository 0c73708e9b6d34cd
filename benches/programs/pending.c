/* What does a task cost when very many wait at once, and how much memory does it take?
 *
 *     pending process|thread WORKERS TASKS CYCLES
 *
 * A cycle: each worker is held by a task that reads from an empty pipe; all tasks are submitted; the
 * workers are let go; all results are waited for, collected and freed. The same is done with no tasks at
 * all, and that time, of waking up whoever is held, is taken off. The first cycle touches memory for the
 * first time and is told apart; of those after it the median one counts. */
#include "bench.h"

enum { EMPTY_CYCLES = 50 };

static int32_t twice_plus_one(pool_task_t *task) {
    uint64_t x;
    memcpy(&x, pool_task_args(task, NULL), sizeof x);
    x = x * 2 + 1;
    return pool_task_return(task, &x, sizeof x);
}

/* Workers have the pipe under the same number. */
static int32_t hold(pool_task_t *task) {
    int32_t from;
    char token;
    memcpy(&from, pool_task_args(task, NULL), sizeof from);
    return read(from, &token, 1) == 1 ? 0 : pool_task_fail(task, 1, "the pipe is closed");
}

struct bench {
    pool_t *pool;
    int32_t from, to; /* the ends of the pipe */
    uint32_t workers;
    future_t **held, **futures;
    uint64_t most_bytes;
};

struct cycle { uint64_t submit_ns, run_ns, collect_ns; };

static void hold_workers(struct bench *bench) {
    for (uint32_t i = 0; i < bench->workers; i++) {
        CHECK_OK(pool_submit(bench->pool, hold, &bench->from, sizeof bench->from, &bench->held[i]));
    }
    for (uint32_t i = 0; i < bench->workers; i++) {
        while (future_state(bench->held[i]) == FUTURE_PENDING) sleep_ns(20000);
    }
    sleep_ns(100000); /* from the start of the task to its sleep in read */
}

static void let_workers_go(struct bench *bench) {
    for (uint32_t i = 0; i < bench->workers; i++) CHECK(write(bench->to, "x", 1) == 1);
}

static void note_memory(struct bench *bench) {
    uint64_t bytes = pss_of_all();
    if (bytes > bench->most_bytes) bench->most_bytes = bytes;
}

static struct cycle cycle(struct bench *bench, uint64_t tasks, int look_at_memory) {
    struct cycle took;
    hold_workers(bench);
    uint64_t begin_ns = now_ns();
    for (uint64_t x = 0; x < tasks; x++) {
        CHECK_OK(pool_submit(bench->pool, twice_plus_one, &x, sizeof x, &bench->futures[x]));
    }
    took.submit_ns = now_ns() - begin_ns;
    if (look_at_memory) note_memory(bench);

    begin_ns = now_ns();
    let_workers_go(bench);
    CHECK_OK(future_wait_many(bench->futures, tasks, POOL_WAIT_ALL, POOL_FOREVER, NULL));
    CHECK_OK(future_wait_many(bench->held, bench->workers, POOL_WAIT_ALL, POOL_FOREVER, NULL));
    took.run_ns = now_ns() - begin_ns;
    if (look_at_memory) note_memory(bench);

    begin_ns = now_ns();
    for (uint64_t x = 0; x < tasks; x++) {
        uint64_t answer;
        memcpy(&answer, collect(bench->futures[x], sizeof answer), sizeof answer);
        CHECK(answer == x * 2 + 1);
        future_free(bench->futures[x]);
    }
    took.collect_ns = now_ns() - begin_ns;
    for (uint32_t i = 0; i < bench->workers; i++) {
        collect(bench->held[i], 0);
        future_free(bench->held[i]);
    }
    return took;
}

/* The time of the median one of so many cycles, in all and in its parts. */
static struct cycle median_cycle(struct bench *bench, uint64_t tasks, size_t cycles) {
    uint64_t *submit_ns = new_touched(cycles * sizeof *submit_ns);
    uint64_t *run_ns = new_touched(cycles * sizeof *run_ns);
    uint64_t *collect_ns = new_touched(cycles * sizeof *collect_ns);
    for (size_t i = 0; i < cycles; i++) {
        struct cycle one = cycle(bench, tasks, 0);
        submit_ns[i] = one.submit_ns;
        run_ns[i] = one.run_ns;
        collect_ns[i] = one.collect_ns;
    }
    struct cycle median = {percentile(submit_ns, cycles, 50), percentile(run_ns, cycles, 50),
                           percentile(collect_ns, cycles, 50)};
    free(submit_ns);
    free(run_ns);
    free(collect_ns);
    return median;
}

static double total_ns(struct cycle cycle) {
    return (double)(cycle.submit_ns + cycle.run_ns + cycle.collect_ns);
}

static struct bench new_bench(const char *how, uint32_t workers, uint64_t tasks) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    pool_options_t options = options_named(how);
    options.max_workers = workers;
    if (options.kind == POOL_PROCESS) {
        options.inherit_fds = &ends[0];
        options.n_inherit_fds = 1;
    }
    struct bench bench = {new_pool_with(&options), ends[0], ends[1], workers, NULL, NULL, 0};
    bench.held = new_touched(workers * sizeof *bench.held);
    bench.futures = new_touched((tasks + 1) * sizeof *bench.futures);
    start_workers(bench.pool, workers);
    return bench;
}

int main(int argc, char **argv) {
    if (argc != 5) die("usage: %s process|thread WORKERS TASKS CYCLES", argv[0]);
    uint64_t tasks = number(argv[3]), cycles = number(argv[4]);
    uint64_t free_bytes = (uint64_t)sysconf(_SC_AVPHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    if (tasks * 400 > free_bytes) skip("too little memory is free");
    struct bench bench = new_bench(argv[1], (uint32_t)number(argv[2]), tasks);

    struct cycle empty = median_cycle(&bench, 0, EMPTY_CYCLES);
    uint64_t before_bytes = pss_of_all();
    struct cycle cold = cycle(&bench, tasks, 1), warm = median_cycle(&bench, tasks, cycles);
    double n = (double)tasks, empty_ns = total_ns(empty), warm_ns = total_ns(warm) - empty_ns;
    printf("{\"tasks\": %" PRIu64 ", \"task_ns\": %.2f, \"submit_ns\": %.2f, \"run_ns\": %.2f, ", tasks,
           warm_ns / n, (double)warm.submit_ns / n,
           ((double)warm.run_ns - (double)empty.run_ns) / n);
    printf("\"collect_ns\": %.2f, \"touch_ns\": %.2f, \"empty_ns\": %.0f, \"bytes\": %.1f}\n",
           (double)warm.collect_ns / n, (total_ns(cold) - empty_ns - warm_ns) / n, empty_ns,
           (double)(bench.most_bytes - before_bytes) / n);
    pool_free(bench.pool);
    return 0;
}
