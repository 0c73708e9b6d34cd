/* A map over items that no array could hold: a source gives one at a time, results are taken one
 * at a time, and only some are in between. Here the source never ends, and the consumer stops when
 * it has enough. Meanwhile stderr tells how many were tried.
 *
 * Prints:
 *     1000000000039
 *     1000000000061
 *     1000000000063
 *     1000000000091
 *     1000000000121
 */
#include <carpool.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WANTED = 5 };

static const uint64_t first = 1000000000001; /* The smallest odd number with 13 digits. */

static void must(pool_status_t status) {
    if (status == POOL_OK) return;
    fprintf(stderr, "%s\n", pool_status_string(status));
    exit(1);
}

/* An item: an odd number. Its result: whether that is a prime. */
static int32_t test_number(pool_task_t *task) {
    const uint64_t *n = pool_task_args(task, NULL);
    bool prime = true;
    for (uint64_t divisor = 3; prime && divisor * divisor <= *n; divisor += 2) {
        prime = *n % divisor != 0;
    }
    return pool_task_return(task, &prime, sizeof prime);
}

/* The source: gives one more item. Where there is an end it would answer POOL_ERR_END. */
static pool_status_t next_odd_number(void *user, const void **item, size_t *len) {
    uint64_t *n = user;
    *n += 2;
    *item = n; /* Copied before the next call. */
    *len = sizeof *n;
    return POOL_OK;
}

static void show_progress(uint64_t done, uint64_t total, void *user) {
    (void)total; /* 0: nobody knows. */
    (void)user;
    fprintf(stderr, "\r%llu tried", (unsigned long long)done);
}

int main(int argc, char **argv) {
    pool_options_t options = POOL_OPTIONS_INIT;
    if (argc > 1 && strcmp(argv[1], "--threads") == 0) options.kind = POOL_THREAD;
    pool_t *pool;
    must(pool_new(&options, &pool, NULL));

    uint64_t n = first - 2;
    pool_map_options_t how = POOL_MAP_INIT;
    how.window = 100; /* So many may be between the source and here. */
    how.on_progress = show_progress;
    pool_map_t *map;
    must(pool_map_start(pool, test_number, next_odd_number, &n, &how, &map));

    uint64_t primes[WANTED];
    for (int found = 0; found < WANTED;) {
        const void *prime;
        uint64_t index; /* The results come in the order of the items. */
        must(pool_map_next(map, POOL_FOREVER, &prime, NULL, &index));
        if (*(const bool *)prime) primes[found++] = first + 2 * index;
    }
    pool_map_free(map); /* What is still in flight is dropped. */
    fputs("\n", stderr);
    for (int i = 0; i < WANTED; i++) printf("%llu\n", (unsigned long long)primes[i]);
    pool_free(pool);
}
