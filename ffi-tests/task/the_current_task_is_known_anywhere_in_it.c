/* Code that is called by a task finds the task without an argument, the innermost one if tasks are nested. */
#include "rendezvous.h"
#include <pthread.h>

static pool_t *own_pool;

static void return_id_of_current(void) {
    uint64_t id = pool_task_id(pool_current_task());
    CHECK_EQUAL(pool_task_return(pool_current_task(), &id, sizeof id), 0);
}

static void *has_none(void *unused) {
    CHECK(pool_current_task() == NULL);
    return unused;
}

static int32_t asks(pool_task_t *task) {
    pthread_t thread;
    CHECK(pool_current_task() == task);
    CHECK(pthread_create(&thread, NULL, has_none, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    return_id_of_current();
    return 0;
}

/* The other task runs inside this one where tasks are threads, or in this thread. */
static int32_t waits_for_another(pool_task_t *task) {
    future_t *future;
    CHECK_OK(pool_submit(own_pool, asks, NULL, 0, &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK(pool_current_task() == task);
    CHECK_EQUAL(collect_number(future), future_id(future));
    future_free(future);
    return_id_of_current();
    return 0;
}

static int32_t initialize(pool_task_t *task) {
    CHECK(task != NULL && pool_current_task() == task);
    return 0;
}

static int32_t ask_for_item(pool_task_t *task) {
    CHECK(pool_current_task() == task);
    return_id_of_current();
    return 0;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    future_t *future;
    options.initializer.pointer = initialize;
    options.finalizer.pointer = initialize;
    pool_t *pool = own_pool = new_pool(&options, 1);
    char items[100] = {0};
    uint64_t ids[100];
    CHECK(pool_current_task() == NULL);
    for (int i = 0; i < 100; i++) {
        bool nests = options.kind != POOL_PROCESS && i % 2;
        CHECK_OK(pool_submit(pool, nests ? waits_for_another : asks, NULL, 0, &future));
        CHECK_EQUAL(collect_number(future), future_id(future));
        future_free(future);
        CHECK(pool_current_task() == NULL);
    }
    CHECK_OK(pool_map(pool, ask_for_item, items, 1, 100, NULL, ids, sizeof *ids, NULL));
    pool_free(pool);
    return leaves_nothing_behind();
}
