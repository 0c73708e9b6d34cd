/* Many tasks at once: each submit leaves a future, all are waited for together, and their results
 * are added up. The tasks run on as many workers as there are CPUs.
 *
 * Prints:
 *     25997 primes below 300000
 */
#include <carpool.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TASKS = 300, SPAN = 1000 };

static void must(pool_status_t status) {
    if (status == POOL_OK) return;
    fprintf(stderr, "%s\n", pool_status_string(status));
    exit(1);
}

static bool is_prime(uint32_t n) {
    for (uint32_t divisor = 2; divisor * divisor <= n; divisor++) {
        if (n % divisor == 0) return false;
    }
    return n > 1;
}

/* Arguments: where to start. Result: how many of the next SPAN numbers are primes. */
static int32_t count_primes(pool_task_t *task) {
    const uint32_t *start = pool_task_args(task, NULL);
    uint32_t count = 0;
    for (uint32_t n = *start; n < *start + SPAN; n++) count += is_prime(n);
    return pool_task_return(task, &count, sizeof count);
}

int main(int argc, char **argv) {
    pool_options_t options = POOL_OPTIONS_INIT;
    if (argc > 1 && strcmp(argv[1], "--threads") == 0) options.kind = POOL_THREAD;
    pool_t *pool;
    must(pool_new(&options, &pool, NULL));

    future_t *futures[TASKS];
    for (uint32_t i = 0; i < TASKS; i++) {
        uint32_t start = i * SPAN; /* Copied by the submit. */
        must(pool_submit(pool, count_primes, &start, sizeof start, &futures[i]));
    }
    must(future_wait_many(futures, TASKS, POOL_WAIT_ALL, POOL_FOREVER, NULL));

    uint32_t sum = 0;
    for (int i = 0; i < TASKS; i++) {
        const void *count;
        must(future_result(futures[i], &count, NULL));
        sum += *(const uint32_t *)count;
        future_free(futures[i]); /* And with it the result. */
    }
    printf("%u primes below %d\n", sum, TASKS * SPAN);
    pool_free(pool);
}
