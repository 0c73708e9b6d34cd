/* While workers are killed all the time, each of very many tasks has exactly one outcome, and no more tasks
 * fail than workers were killed. */
#include "processes.h"
#include <pthread.h>

enum { WORKERS = 2, WINDOW = 256, PIDS = WORD_FIRST, RAN_FOR_MS = 2500, PAUSE_US = 4000 };

static _Atomic int is_over;
static uint64_t kills, completed, failed;

/* Arguments: a number. Result: that number. Leaves its process for the killer. */
static int32_t short_task(pool_task_t *task) {
    uint64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    word_set(PIDS + pool_task_worker(task), (uint32_t)getpid());
    return pool_task_return(task, &n, sizeof n);
}

/* Kills descendants of this program only: a number that was given to another process is left alone. */
static void *kill_workers(void *unused) {
    unsigned seed = 1;
    (void)unused;
    while (!atomic_load(&is_over)) {
        pid_t pid = (pid_t)word_get(PIDS + (size_t)rand_r(&seed) % WORKERS);
        if (is_living_worker(pid) && kill(pid, SIGKILL) == 0) kills++;
        usleep(PAUSE_US);
    }
    return NULL;
}

static void finish(future_t *future, uint64_t number) {
    CHECK_OK(future_wait(future, POOL_FOREVER));
    if (future_state(future) == FUTURE_COMPLETED) {
        CHECK_EQUAL(collect_number(future), number);
        completed++;
    } else {
        CHECK_EQUAL(check_lost(future).signal, SIGKILL);
        failed++;
    }
    future_free(future);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    pool_t *pool = new_pool(&options, WORKERS);
    future_t *window[WINDOW];
    uint64_t submitted = 0, end = now_ns() + RAN_FOR_MS * 1000000ull;
    pthread_t killer;
    pthread_create(&killer, NULL, kill_workers, NULL);

    /* A window of tasks: the oldest is collected before a new one takes its place. */
    for (uint64_t n = 0; now_ns() < end || n % WINDOW != 0; n++) {
        future_t **place = &window[n % WINDOW];
        if (n >= WINDOW) finish(*place, n - WINDOW);
        CHECK_OK(pool_submit(pool, short_task, &n, sizeof n, place));
        submitted++;
    }
    atomic_store(&is_over, 1);
    pthread_join(killer, NULL);
    for (uint64_t i = 0; i < WINDOW; i++) finish(window[i], submitted - WINDOW + i);
    printf("%" PRIu64 " tasks, %" PRIu64 " kills, %" PRIu64 " lost\n", submitted, kills, failed);
    CHECK_EQUAL(completed + failed, submitted);
    CHECK(failed <= kills);
    CHECK(kills > 10);
    CHECK_OK(pool_check(pool, NULL));
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    pool_free(pool);
    return leaves_nothing_behind();
}
