/* Two ways not to wait for one future after the other: a callback, called when its future is done,
 * and a set, which hands out futures in the order in which they finish.
 *
 * A hundred tasks look for a number with six digits of which only the hash is known. When one has
 * found it, the others are not needed any more.
 *
 * Prints:
 *     the number is 271828
 *     100 tasks completed or were cancelled
 */
#include <carpool.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TASKS = 100, SPAN = 10000, NOT_FOUND = -1 };

static const uint64_t wanted = 0x7f4455b9deb34aa5;

struct tally {
    atomic_int completed, cancelled;
};

static void must(pool_status_t status) {
    if (status == POOL_OK) return;
    fprintf(stderr, "%s\n", pool_status_string(status));
    exit(1);
}

/* FNV-1a of the six digits, again and again. */
static uint64_t hash_of(int number) {
    char digits[8];
    snprintf(digits, sizeof digits, "%06d", number);
    uint64_t hash = 0xcbf29ce484222325;
    for (int i = 0; i < 6 * 100; i++) hash = (hash ^ (unsigned char)digits[i % 6]) * 0x100000001b3;
    return hash;
}

/* Arguments: where to start. Result: which of the next SPAN numbers it is, or NOT_FOUND. */
static int32_t search(pool_task_t *task) {
    const int *start = pool_task_args(task, NULL);
    int found = NOT_FOUND;
    for (int n = *start; n < *start + SPAN && found == NOT_FOUND; n++) {
        if (hash_of(n) == wanted) found = n;
    }
    return pool_task_return(task, &found, sizeof found);
}

/* The callback. A thread of the library calls it, so it shares its tally with care. */
static void count(future_t *future, void *user) {
    struct tally *tally = user;
    future_state_t state = future_state(future);
    if (state == FUTURE_COMPLETED) tally->completed++;
    if (state == FUTURE_CANCELLED) tally->cancelled++;
}

int main(int argc, char **argv) {
    pool_options_t options = POOL_OPTIONS_INIT;
    if (argc > 1 && strcmp(argv[1], "--threads") == 0) options.kind = POOL_THREAD;
    pool_t *pool;
    must(pool_new(&options, &pool, NULL));

    static struct tally tally;
    future_t *futures[TASKS];
    future_set_t *set;
    must(future_set_new(&set));
    for (int i = 0; i < TASKS; i++) {
        int start = i * SPAN;
        must(pool_submit(pool, search, &start, sizeof start, &futures[i]));
        must(future_on_done(futures[i], count, &tally, NULL, NULL));
        must(future_set_add(set, futures[i]));
    }

    int found = NOT_FOUND;
    while (found == NOT_FOUND) {
        future_t *next;
        const void *result;
        must(future_set_next(set, POOL_FOREVER, &next));
        must(future_result(next, &result, NULL));
        found = *(const int *)result;
    }
    printf("the number is %06d\n", found);

    must(pool_shutdown(pool, POOL_STOP_CANCEL, POOL_FOREVER)); /* Also waits for the callbacks. */
    printf("%d tasks completed or were cancelled\n", tally.completed + tally.cancelled);
    future_set_free(set);
    for (int i = 0; i < TASKS; i++) future_free(futures[i]);
    pool_free(pool);
}
