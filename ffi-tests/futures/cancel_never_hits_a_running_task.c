/* Each task either runs or is cancelled, never both and never neither, however close in time both are. */
#include "rendezvous.h"
#include <pthread.h>

enum { TASKS = 20000, FIRST = WORD_FIRST };

static future_t *futures[TASKS];
static _Atomic int submitted;
static pool_status_t answers[TASKS];

/* Follows the submitter as closely as it can. */
static void *cancel_each(void *unused) {
    (void)unused;
    for (int i = 0; i < TASKS; i++) {
        while (atomic_load(&submitted) <= i) {}
        answers[i] = future_cancel(futures[i], POOL_CANCEL_QUEUED);
    }
    return NULL;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    pthread_t canceller;
    int cancelled = 0;
    pthread_create(&canceller, NULL, cancel_each, NULL);
    for (int i = 0; i < TASKS; i++) {
        uint32_t place = FIRST + (uint32_t)i;
        CHECK_OK(pool_submit(pool, count_in_word, &place, sizeof place, &futures[i]));
        atomic_store(&submitted, i + 1);
    }
    pthread_join(canceller, NULL);
    CHECK_OK(pool_join(pool, POOL_FOREVER));
    for (int i = 0; i < TASKS; i++) {
        int was_cancelled = answers[i] == POOL_OK;
        if (!was_cancelled) CHECK_IS(answers[i], POOL_ERR_STATE);
        CHECK_EQUAL(word_get(FIRST + (size_t)i), !was_cancelled);
        CHECK_EQUAL(future_state(futures[i]), was_cancelled ? FUTURE_CANCELLED : FUTURE_COMPLETED);
        future_free(futures[i]);
        cancelled += was_cancelled;
    }
    printf("%d of %d were cancelled\n", cancelled, TASKS);
    pool_free(pool);
    return leaves_nothing_behind();
}
