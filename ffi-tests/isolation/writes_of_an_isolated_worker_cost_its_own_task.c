/* POOL_ISOLATED: a task that writes over all memory that its worker shares with the parent changes no result
 * of a task of another worker, none that is done, and nothing that is queued; every wait ends, and the pool
 * goes on. No worker runs a second task: what the first one has left in the process could change it. */
#include "mappings.h"
#include "rendezvous.h"
#include <pthread.h>

enum { WORKERS = 3, BESIDE = 16, LARGE = 5000, ROUNDS = 3 };
enum pattern { ZEROS, ONES, NOISE, SWAPPED, N_PATTERNS };

struct writing {
    uint64_t seed;
    int pattern;
    bool leaves_thread;
};

static uint64_t next_random(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void write_page(char *page, void *pointer) {
    struct writing *writing = (struct writing *)pointer;
    volatile uint64_t *words = (volatile uint64_t *)(void *)page;
    for (size_t i = 0; i < (size_t)sysconf(_SC_PAGESIZE) / sizeof *words; i++) {
        switch (writing->pattern) {
        case ZEROS: words[i] = 0; break;
        case ONES: words[i] = UINT64_MAX; break;
        case NOISE: words[i] = next_random(&writing->seed); break;
        /* What other words of a board look like. */
        default: words[i] = words[next_random(&writing->seed) % (i + 1)]; break;
        }
    }
}

static void write_mapping(const struct mapping *mapping, void *writing) {
    bool is_shared = mapping->access[1] == 'w' && mapping->access[3] == 's';
    if (is_shared && strstr(mapping->name, "memfd:")) for_each_page(mapping, write_page, writing);
}

static void *write_all(void *copied) {
    for_each_mapping(write_mapping, copied);
    free(copied);
    return NULL;
}

int32_t write_over_all(pool_task_t *task) {
    struct writing *writing = (struct writing *)malloc(sizeof *writing);
    CHECK(writing != NULL);
    memcpy(writing, pool_task_args(task, NULL), sizeof *writing);
    pthread_t thread;
    if (!writing->leaves_thread) {
        write_all(writing);
    } else if (pthread_create(&thread, NULL, write_all, writing) == 0) {
        pthread_detach(thread);
    }
    return 0;
}

/* Arguments: a number, at the beginning of so many bytes. The result is as long. */
int32_t answer(pool_task_t *task) {
    size_t len;
    const char *args = (const char *)pool_task_args(task, &len);
    char *result = (char *)pool_task_result(task, len);
    if (!result) return 1;
    for (size_t i = 0; i < len; i++) result[i] = (char)(args[i] + 1);
    return 0;
}

static future_t *ask(pool_t *pool, uint64_t number, size_t len) {
    static unsigned char args[LARGE];
    future_t *future;
    for (size_t i = 0; i < len; i++) args[i] = (unsigned char)(number + i);
    CHECK_OK(pool_submit(pool, answer, args, len, &future));
    return future;
}

static void check_answer(future_t *future, uint64_t number, size_t len) {
    const void *data;
    size_t size;
    CHECK_OK(future_collect(future, POOL_FOREVER, &data, &size));
    CHECK_EQUAL(size, len);
    for (size_t i = 0; i < len; i++) CHECK(((const unsigned char *)data)[i] == (unsigned char)(number + i + 1));
    future_free(future);
}

static size_t length(int i) {
    return i % 2 ? LARGE : 40;
}

static void check_round(pool_t *pool, struct writing writing) {
    future_t *before[BESIDE], *writers[WORKERS], *after[BESIDE];
    for (int i = 0; i < BESIDE; i++) before[i] = ask(pool, (uint64_t)i, length(i));
    for (int i = 0; i < BESIDE; i++) CHECK_OK(future_wait(before[i], POOL_FOREVER));
    for (int i = 0; i < WORKERS - 1; i++) {
        next_random(&writing.seed);
        CHECK_OK(pool_submit(pool, write_over_all, &writing, sizeof writing, &writers[i]));
    }
    for (int i = 0; i < BESIDE; i++) after[i] = ask(pool, (uint64_t)i + 7, length(i));
    for (int i = 0; i < WORKERS - 1; i++) {
        pool_error_t error;
        CHECK_OK(future_wait(writers[i], POOL_FOREVER));
        CHECK_OK(future_error(writers[i], &error));
        /* Of its own task it may say anything. */
        future_free(writers[i]);
    }
    for (int i = 0; i < BESIDE; i++) {
        check_answer(after[i], (uint64_t)i + 7, length(i));
        check_answer(before[i], (uint64_t)i, length(i));
    }
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.isolation != POOL_ISOLATED) return SKIPPED;
    options.max_tasks_per_worker = 1;
    pool_t *pool = new_pool(&options, WORKERS);
    for (int round = 0; round < ROUNDS; round++) {
        for (int pattern = 0; pattern < N_PATTERNS; pattern++) {
            struct writing writing = {.seed = 88172645463325252u + (uint64_t)round, .pattern = pattern};
            writing.leaves_thread = round == ROUNDS - 1;
            check_round(pool, writing);
        }
    }
    CHECK_OK(pool_check(pool, NULL));
    CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
    pool_free(pool);
    return leaves_nothing_behind();
}
