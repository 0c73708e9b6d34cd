/* How many small tasks per second can be submitted, run, collected and freed, each with a future?
 *
 *     small_tasks process|thread WORKERS SUBMITTERS WINDOW TASKS
 *
 * Each submitting thread keeps WINDOW tasks in flight and collects and frees its futures in order; with 0 it
 * submits all its tasks first. In the first pass the workers run already, but the pool's memory is untouched.
 * It is reported separately from the median of the later ones. */
#include "bench.h"
#include <pthread.h>

enum { WARM_PASSES = 5, BUDGET_NS = 500000000 };

static int32_t twice_plus_one(pool_task_t *task) {
    uint64_t x;
    memcpy(&x, pool_task_args(task, NULL), sizeof x);
    x = x * 2 + 1;
    return pool_task_return(task, &x, sizeof x);
}

/* The tasks of one submitting thread, and its futures in flight. */
struct share {
    pool_t *pool;
    future_t **futures;
    uint64_t first, n, window;
    pthread_barrier_t *start;
};

static void submit(struct share *share, uint64_t i) {
    uint64_t x = share->first + i;
    future_t **future = &share->futures[i % share->window];
    CHECK_OK(pool_submit(share->pool, twice_plus_one, &x, sizeof x, future));
}

static void check(struct share *share, uint64_t i) {
    uint64_t answer;
    memcpy(&answer, collect(share->futures[i % share->window], sizeof answer), sizeof answer);
    CHECK(answer == (share->first + i) * 2 + 1);
}

static void release(struct share *share, uint64_t i) {
    future_free(share->futures[i % share->window]);
}

static void *run_share(void *user) {
    struct share *share = user;
    pthread_barrier_wait(share->start);
    for (uint64_t i = 0; i < share->window; i++) submit(share, i);
    for (uint64_t i = 0; i < share->n; i++) {
        check(share, i);
        release(share, i);
        if (i + share->window < share->n) submit(share, i + share->window);
    }
    return NULL;
}

/* Because of the barrier, starting the threads is not measured. */
static struct span pass(struct share *shares, size_t n) {
    pthread_t *threads = new_touched(n * sizeof *threads);
    for (size_t i = 0; i < n; i++) {
        CHECK(pthread_create(&threads[i], NULL, run_share, &shares[i]) == 0);
    }
    struct span span = span_begin();
    pthread_barrier_wait(shares->start);
    for (size_t i = 0; i < n; i++) pthread_join(threads[i], NULL);
    span_end(&span);
    free(threads);
    return span;
}

int main(int argc, char **argv) {
    if (argc != 6) die("usage: %s process|thread WORKERS SUBMITTERS WINDOW TASKS", argv[0]);
    uint32_t workers = (uint32_t)number(argv[2]);
    size_t submitters = number(argv[3]);
    uint64_t window = number(argv[4]), tasks = number(argv[5]), n = tasks / submitters;
    if (window == 0) window = n;
    CHECK(n > 0 && window <= n);
    pool_t *pool = new_pool(argv[1], workers);

    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, (unsigned)submitters + 1);
    struct share *shares = new_touched(submitters * sizeof *shares);
    for (size_t i = 0; i < submitters; i++) {
        future_t **futures = new_touched(window * sizeof *futures);
        shares[i] = (struct share){pool, futures, i * n, n, window, &start};
    }
    start_workers(pool, workers);

    struct span cold = pass(shares, submitters), warm = {0};
    uint64_t warm_ns[WARM_PASSES], began_ns = now_ns(), cpu_ns = 0;
    size_t passes = 0;
    while (passes < WARM_PASSES && (passes == 0 || now_ns() - began_ns < BUDGET_NS)) {
        warm = pass(shares, submitters);
        warm_ns[passes++] = warm.wall_ns;
        cpu_ns += warm.self_cpu_ns + warm.children_cpu_ns;
    }
    tasks = n * submitters;
    printf("{\"tasks\": %" PRIu64 ", \"warm_passes\": %zu, \"cold_ns\": %.2f, \"warm_ns\": %.2f, "
           "\"cpu_ns\": %.2f}\n",
           tasks, passes, (double)cold.wall_ns / (double)tasks,
           (double)percentile(warm_ns, passes, 50) / (double)tasks,
           (double)cpu_ns / (double)(tasks * passes));
    pool_free(pool);
    return 0;
}
