/* How much faster are several workers in compute-bound tasks, and how much CPU time do they add?
 *
 *     scaling process|thread MICROSECONDS TASKS
 *
 * The number of steps of a task is calibrated once. Then the same tasks are run by one thread without a pool,
 * and by pools of 1, 2 and 8 workers. */
#include "bench.h"

enum { POOLS = 3 };

static const uint32_t WORKERS[POOLS] = {1, 2, 8};

/* A chain of dependent steps in registers: no memory, and nothing that CPUs contend for. */
static uint64_t compute(uint64_t steps) {
    uint64_t x = steps | 1;
    while (steps-- > 0) x = x * 6364136223846793005u + 1442695040888963407u;
    return x;
}

static int32_t work(pool_task_t *task) {
    uint64_t steps;
    memcpy(&steps, pool_task_args(task, NULL), sizeof steps);
    uint64_t x = compute(steps);
    return pool_task_return(task, &x, sizeof x);
}

/* How many steps take ns, by the fastest of several tries, which is the one that was not interrupted. */
static uint64_t calibrate(uint64_t ns) {
    const uint64_t steps = 1000000;
    uint64_t best_ns = UINT64_MAX;
    for (int i = 0; i < 20; i++) {
        uint64_t begin_ns = now_ns(), x = compute(steps);
        __asm__ volatile("" : : "r"(x)); /* keeps the compiler from removing the computation */
        uint64_t took_ns = now_ns() - begin_ns;
        if (took_ns < best_ns) best_ns = took_ns;
    }
    return ns * steps / best_ns;
}

static struct span run_serial(uint64_t steps, uint64_t tasks) {
    uint64_t expected = compute(steps);
    struct span span = span_begin();
    for (uint64_t i = 0; i < tasks; i++) {
        uint64_t same = steps;
        __asm__ volatile("" : "+r"(same)); /* keeps the compiler from reusing one result */
        CHECK(compute(same) == expected);
    }
    span_end(&span);
    return span;
}

static struct span run_pooled(const char *how, uint32_t workers, uint64_t steps, uint64_t tasks) {
    uint64_t expected = compute(steps), answer;
    future_t **futures = new_touched(tasks * sizeof *futures);
    pool_t *pool = new_pool(how, workers);
    start_workers(pool, workers);
    struct span span = span_begin();
    for (uint64_t i = 0; i < tasks; i++) {
        CHECK_OK(pool_submit(pool, work, &steps, sizeof steps, &futures[i]));
    }
    for (uint64_t i = 0; i < tasks; i++) {
        memcpy(&answer, collect(futures[i], sizeof answer), sizeof answer);
        CHECK(answer == expected);
        future_free(futures[i]);
    }
    span_end(&span);
    pool_free(pool);
    free(futures);
    return span;
}

static double cpu_ns(struct span span) {
    return (double)(span.self_cpu_ns + span.children_cpu_ns);
}

int main(int argc, char **argv) {
    if (argc != 4) die("usage: %s process|thread MICROSECONDS TASKS", argv[0]);
    uint64_t steps = calibrate(number(argv[2]) * 1000), tasks = number(argv[3]);
    struct span serial = run_serial(steps, tasks), pooled[POOLS];
    for (int i = 0; i < POOLS; i++) pooled[i] = run_pooled(argv[1], WORKERS[i], steps, tasks);

    double one_ns = (double)pooled[0].wall_ns;
    printf("{\"tasks\": %" PRIu64 ", \"steps\": %" PRIu64 ", \"serial_ns\": %.1f", tasks, steps,
           (double)serial.wall_ns / (double)tasks);
    printf(", \"speed_1\": %.4f", (double)serial.wall_ns / one_ns);
    for (int i = 0; i < POOLS; i++) {
        printf(", \"speed_up_%u\": %.4f, \"cpu_%u\": %.4f", WORKERS[i], one_ns / (double)pooled[i].wall_ns,
               WORKERS[i], cpu_ns(pooled[i]) / cpu_ns(serial));
    }
    printf("}\n");
    return 0;
}
