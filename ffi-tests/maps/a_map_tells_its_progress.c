/* A map tells how many items have come back: never fewer than before, in the end all of them, and
 * from the caller's thread, or for a map in the background from another. */
#include "rendezvous.h"
#include <pthread.h>

enum { N = 3000 };

static uint64_t items[N], results[N];

struct progress {
    uint64_t done, calls;
    pthread_t caller;
    int is_async;
};

static int32_t square_or_fail(pool_task_t *task) {
    uint64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    return n % 7 == 3 ? -1 : square(task);
}

static void note(uint64_t done, uint64_t total, void *user) {
    struct progress *progress = (struct progress *)user;
    CHECK_EQUAL(total, N);
    CHECK(done > progress->done && done <= N);
    CHECK_EQUAL(!pthread_equal(progress->caller, pthread_self()), progress->is_async);
    /* What has come back can be read already. */
    for (uint64_t i = progress->done; i < done; i++) {
        CHECK_EQUAL(results[i], i % 7 == 3 ? 0 : i * i);
    }
    progress->done = done;
    progress->calls++;
}

int main(int argc, char **argv) {
    static const size_t CHUNK_SIZES[] = {0, 1, 2, 100, 1000, N, 2 * N};
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    pool_map_options_t with = POOL_MAP_INIT;
    with.on_progress = note;
    for (uint64_t i = 0; i < N; i++) items[i] = i;
    for (size_t k = 0; k < COUNT_OF(CHUNK_SIZES); k++) {
        struct progress progress = {0, 0, pthread_self(), 0};
        future_t *future;
        with.chunk_size = CHUNK_SIZES[k];
        with.user = &progress;
        memset(results, 0xee, sizeof results);
        CHECK_IS(pool_map(pool, square_or_fail, items, 8, N, &with, results, 8, NULL),
                 POOL_ERR_TASK);
        CHECK_EQUAL(progress.done, N);
        if (with.chunk_size > 0) {
            CHECK_EQUAL(progress.calls, pool_chunk_count(N, with.chunk_size));
        }

        progress = (struct progress){0, 0, pthread_self(), options.kind != POOL_INLINE};
        memset(results, 0xee, sizeof results);
        CHECK_OK(pool_map_async(pool, square_or_fail, items, 8, N, &with, results, 8, NULL,
                                &future));
        CHECK_OK(future_wait(future, POOL_FOREVER));
        CHECK_EQUAL(progress.done, N);
        future_free(future);
    }
    pool_free(pool);
    return leaves_nothing_behind();
}
