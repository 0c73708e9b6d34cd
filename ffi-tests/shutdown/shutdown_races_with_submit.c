/* When a pool is shut down while others submit, each task is refused or comes to an end. */
#include "rendezvous.h"
#include <pthread.h>

enum { THREADS = 8, TASKS_MAX = 100000, ENOUGH = 2000 };

struct submitter {
    pool_t *pool;
    future_t **futures;
    size_t accepted;
    pthread_t thread;
};

static _Atomic uint32_t accepted;

static void *submit_until_closed(void *argument) {
    struct submitter *self = (struct submitter *)argument;
    while (self->accepted < TASKS_MAX) {
        future_t **future = &self->futures[self->accepted];
        pool_status_t status = pool_submit(self->pool, warm_up, NULL, 0, future);
        if (status != POOL_OK) {
            CHECK_IS(status, POOL_ERR_CLOSED);
            CHECK(*future == NULL);
            break;
        }
        self->accepted++;
        atomic_fetch_add(&accepted, 1);
    }
    return NULL;
}

static void race(const pool_options_t *options, pool_stop_t mode, struct submitter *submitters) {
    pool_t *pool = new_pool(options, 2);
    size_t completed = 0, stopped = 0;
    atomic_store(&accepted, 0);
    for (int i = 0; i < THREADS; i++) {
        submitters[i].pool = pool;
        submitters[i].accepted = 0;
        pthread_create(&submitters[i].thread, NULL, submit_until_closed, &submitters[i]);
    }
    while (atomic_load(&accepted) < ENOUGH) pause_briefly();
    CHECK_OK(pool_shutdown(pool, mode, POOL_FOREVER));
    for (int i = 0; i < THREADS; i++) {
        struct submitter *submitter = &submitters[i];
        pthread_join(submitter->thread, NULL);
        for (size_t n = 0; n < submitter->accepted; n++) {
            const void *data;
            CHECK_OK(future_wait(submitter->futures[n], 0));
            pool_status_t status = future_result(submitter->futures[n], &data, NULL);
            if (status == POOL_OK) {
                completed++;
            } else {
                CHECK(mode != POOL_STOP_DRAIN);
                CHECK(status == POOL_ERR_CANCELLED || status == POOL_ERR_TERMINATED);
                stopped++;
            }
            future_free(submitter->futures[n]);
        }
    }
    printf("mode %d: %zu completed, %zu stopped\n", mode, completed, stopped);
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    struct submitter submitters[THREADS];
    for (int i = 0; i < THREADS; i++) {
        submitters[i].futures = (future_t **)calloc(TASKS_MAX, sizeof(future_t *));
        CHECK(submitters[i].futures != NULL);
    }
    for (int round = 0; round < 5; round++) {
        race(&options, POOL_STOP_CANCEL, submitters);
        race(&options, POOL_STOP_DRAIN, submitters);
        race(&options, POOL_STOP_KILL, submitters);
    }
    for (int i = 0; i < THREADS; i++) free(submitters[i].futures);
    return leaves_nothing_behind();
}
