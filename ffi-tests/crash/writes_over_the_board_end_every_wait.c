/* A thread that a task has left behind writes once over all memory that its worker shares with the
 * parent: zeros, or ones. Whoever waits for a task gets an answer, the pool ends,
 * every future has ended then, and a new pool works. */
#include "board.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>

enum pattern { ZEROS, ONES, N_PATTERNS };
enum { N_FUTURES = 24, N_WAITERS = 4 };

struct job {
    int pattern;
    pid_t host;
};

/* ---- in the worker ------------------------------------------------------------------------- */

/* The file of that memory, of which only the parent has a descriptor: it tells which pages are used. */
static int shared_file(pid_t host) {
    for (int fd = 3; fd < 1024; fd++) {
        char path[64], target[256] = "";
        snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)host, fd);
        if (readlink(path, target, sizeof target - 1) > 0 && strstr(target, "memfd:carpool")) {
            return open(path, O_RDONLY | O_CLOEXEC);
        }
    }
    return -1;
}

static void write_over(char *memory, int file, int pattern) {
    off_t data = 0, hole;
    while ((data = lseek(file, data, SEEK_DATA)) >= 0 && (hole = lseek(file, data, SEEK_HOLE)) > 0) {
        for (off_t at = data; at < hole; at += 8) {
            _Atomic uint64_t *word = (_Atomic uint64_t *)(void *)(memory + at);
            atomic_store(word, pattern == ZEROS ? 0 : UINT64_MAX);
        }
        data = hole;
    }
}

static void *write_over_all(void *copied) {
    struct job job = *(struct job *)copied;
    int file = shared_file(job.host);
    char *memory = shared_memory();
    free(copied);
    CHECK(file >= 0);
    write_over(memory, file, job.pattern);
    close(file);
    return NULL;
}

static int32_t leave_a_thread(pool_task_t *task) {
    pthread_t thread;
    size_t size;
    const void *args = pool_task_args(task, &size);
    void *copied = malloc(size);
    CHECK(copied != NULL);
    memcpy(copied, args, size);
    CHECK(pthread_create(&thread, NULL, write_over_all, copied) == 0);
    CHECK(pthread_detach(thread) == 0);
    return 0;
}

static int32_t take_a_while(pool_task_t *task) {
    (void)task;
    for (int i = 0; i < 5; i++) pause_briefly();
    return 0;
}

/* ---- in the parent ------------------------------------------------------------------------- */

static future_t *futures[N_FUTURES];
static _Atomic int calls;

static void count_call(future_t *future, void *unused) {
    (void)future;
    (void)unused;
    atomic_fetch_add(&calls, 1);
}

static void *wait_for_some(void *first) {
    const void *data;
    size_t len, n_done;
    for (size_t i = (size_t)(uintptr_t)first; i < N_FUTURES; i += N_WAITERS) {
        CHECK_OK(future_wait(futures[i], POOL_FOREVER));
        CHECK(future_is_done(futures[i]));
        future_result(futures[i], &data, &len);
    }
    future_wait_many(futures, N_FUTURES, POOL_WAIT_ALL, POOL_FOREVER, &n_done);
    return NULL;
}

static void survive(const pool_options_t *options, struct job job, pool_stop_t mode, bool waits) {
    pthread_t waiters[N_WAITERS];
    future_set_t *set;
    pool_t *pool = new_pool(options, 2);
    calls = 0;
    CHECK_OK(future_set_new(&set));
    for (int i = 0; i < N_FUTURES; i++) {
        bool writes = i == N_FUTURES / 3;
        CHECK_OK(pool_submit(pool, writes ? leave_a_thread : take_a_while, writes ? &job : NULL,
                             writes ? sizeof job : 0, &futures[i]));
        if (i % 4 == 0) CHECK_OK(future_on_done(futures[i], count_call, NULL, NULL, NULL));
        if (i % 4 == 1) CHECK_OK(future_set_add(set, futures[i]));
    }
    if (waits) {
        for (uintptr_t i = 0; i < N_WAITERS; i++) {
            CHECK_EQUAL(pthread_create(&waiters[i], NULL, wait_for_some, (void *)i), 0);
        }
        for (int i = 0; i < N_WAITERS; i++) CHECK_EQUAL(pthread_join(waiters[i], NULL), 0);
    } else {
        future_wait(futures[N_FUTURES / 3], 100);
    }
    CHECK_OK(pool_shutdown(pool, mode, POOL_FOREVER));
    for (int i = 0; i < N_FUTURES; i++) {
        future_state_t state = future_state(futures[i]);
        CHECK(state != FUTURE_PENDING && state != FUTURE_RUNNING);
        CHECK(future_is_done(futures[i]));
        CHECK_OK(future_wait(futures[i], 0));
    }
    CHECK_EQUAL(calls, N_FUTURES / 4);
    for (int i = 0; i < N_FUTURES; i++) future_free(futures[i]);
    future_set_free(set);
    pool_free(pool);

    pool = new_pool(options, 1);
    CHECK_OK(pool_run(pool, take_a_while, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) exit(SKIPPED); /* Threads are trusted. */
    struct job job = {.host = getpid()};
    for (job.pattern = 0; job.pattern < N_PATTERNS; job.pattern++) {
        survive(&options, job, POOL_STOP_KILL, false);
        survive(&options, job, POOL_STOP_DRAIN, true);
    }
    return leaves_nothing_behind();
}
