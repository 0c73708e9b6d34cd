/* What does a task cost when very many are pending, and how much memory does it take?
 *
 *     pending process|thread WORKERS TASKS CYCLES
 *
 * In a cycle each worker is blocked by a task that reads from an empty pipe; all tasks are submitted; the
 * workers are released; all results are waited for, collected and freed. The time of a cycle without tasks,
 * which is that of waking up the workers, is subtracted. The first cycle touches memory for the first time
 * and is reported separately from the median of the later ones. */
#include "bench.h"

enum { EMPTY_CYCLES = 50 };

static int32_t twice_plus_one(pool_task_t *task) {
    uint64_t x;
    memcpy(&x, pool_task_args(task, NULL), sizeof x);
    x = x * 2 + 1;
    return pool_task_return(task, &x, sizeof x);
}

/* In the workers the pipe has the same descriptor number. */
static int32_t block(pool_task_t *task) {
    int32_t fd;
    char token;
    memcpy(&fd, pool_task_args(task, NULL), sizeof fd);
    return read(fd, &token, 1) == 1 ? 0 : pool_task_fail(task, 1, "the pipe is closed");
}

struct bench {
    pool_t *pool;
    int32_t read_fd, write_fd; /* the ends of the pipe */
    uint32_t workers;
    future_t **blockers, **futures;
    uint64_t max_bytes;
};

struct cycle { uint64_t submit_ns, run_ns, collect_ns; };

static void block_workers(struct bench *bench) {
    for (uint32_t i = 0; i < bench->workers; i++) {
        CHECK_OK(pool_submit(bench->pool, block, &bench->read_fd, sizeof bench->read_fd, &bench->blockers[i]));
    }
    for (uint32_t i = 0; i < bench->workers; i++) {
        while (future_state(bench->blockers[i]) == FUTURE_PENDING) sleep_ns(20000);
    }
    sleep_ns(100000); /* until the task sleeps in read */
}

static void release_workers(struct bench *bench) {
    for (uint32_t i = 0; i < bench->workers; i++) CHECK(write(bench->write_fd, "x", 1) == 1);
}

static void update_max_memory(struct bench *bench) {
    uint64_t bytes = pss_of_all();
    if (bytes > bench->max_bytes) bench->max_bytes = bytes;
}

static struct cycle cycle(struct bench *bench, uint64_t tasks, int measure_memory) {
    struct cycle took;
    block_workers(bench);
    uint64_t begin_ns = now_ns();
    for (uint64_t x = 0; x < tasks; x++) {
        CHECK_OK(pool_submit(bench->pool, twice_plus_one, &x, sizeof x, &bench->futures[x]));
    }
    took.submit_ns = now_ns() - begin_ns;
    if (measure_memory) update_max_memory(bench);

    begin_ns = now_ns();
    release_workers(bench);
    CHECK_OK(future_wait_many(bench->futures, tasks, POOL_WAIT_ALL, POOL_FOREVER, NULL));
    CHECK_OK(future_wait_many(bench->blockers, bench->workers, POOL_WAIT_ALL, POOL_FOREVER, NULL));
    took.run_ns = now_ns() - begin_ns;
    if (measure_memory) update_max_memory(bench);

    begin_ns = now_ns();
    for (uint64_t x = 0; x < tasks; x++) {
        uint64_t answer;
        memcpy(&answer, collect(bench->futures[x], sizeof answer), sizeof answer);
        CHECK(answer == x * 2 + 1);
        future_free(bench->futures[x]);
    }
    took.collect_ns = now_ns() - begin_ns;
    for (uint32_t i = 0; i < bench->workers; i++) {
        collect(bench->blockers[i], 0);
        future_free(bench->blockers[i]);
    }
    return took;
}

/* The median of each part of a cycle. */
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
    bench.blockers = new_touched(workers * sizeof *bench.blockers);
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
           (double)(bench.max_bytes - before_bytes) / n);
    pool_free(bench.pool);
    return 0;
}
