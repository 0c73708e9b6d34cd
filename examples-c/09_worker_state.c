/* What is costly to make and needed by every task is made once in each worker: the initializer
 * makes it, the tasks find it in the worker's state, and the finalizer frees it when the worker
 * leaves. An initializer that fails breaks the pool, and says why.
 *
 * Prints:
 *     720720 = 2 * 2 * 2 * 2 * 3 * 3 * 5 * 7 * 11 * 13
 *     999983 = 999983
 *     1000000 = 2 * 2 * 2 * 2 * 2 * 2 * 5 * 5 * 5 * 5 * 5 * 5
 *     a table up to 1: POOL_ERR_INITIALIZER, code 7, "there is nothing to factor"
 */
#include <carpool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(pool_status_t status) {
    if (status == POOL_OK) return;
    fprintf(stderr, "%s\n", pool_status_string(status));
    exit(1);
}

/* Arguments: a limit. Leaves a table in the worker's state: the least factor of each number. */
static int32_t make_table(pool_task_t *task) {
    uint32_t limit = *(const uint32_t *)pool_task_args(task, NULL);
    if (limit < 2) return pool_task_fail(task, 7, "there is nothing to factor");
    uint32_t *least = calloc((size_t)limit + 1, sizeof *least);
    if (!least) return pool_task_fail(task, 8, "no memory for the table");
    for (uint32_t n = 2; n <= limit; n++) {
        if (least[n] != 0) continue; /* It is not a prime. */
        for (uint64_t m = n; m <= limit; m += n) {
            if (least[m] == 0) least[m] = n;
        }
    }
    *pool_task_state(task) = least;
    return 0;
}

static int32_t free_table(pool_task_t *task) {
    free(*pool_task_state(task));
    return 0;
}

/* Arguments: a number. Result: how it is made of primes, a text. */
static int32_t factor(pool_task_t *task) {
    uint32_t n = *(const uint32_t *)pool_task_args(task, NULL);
    const uint32_t *least = *pool_task_state(task);
    char text[256];
    int end = snprintf(text, sizeof text, "%u =", n);
    for (const char *sign = ""; n > 1; n /= least[n], sign = " *") {
        end += snprintf(text + end, sizeof text - (size_t)end, "%s %u", sign, least[n]);
    }
    return pool_task_return(task, text, (size_t)end + 1);
}

static pool_t *pool_with_tables(pool_options_t options, const uint32_t *limit) {
    options.initializer.pointer = make_table;
    options.initializer.args = limit; /* Copied by pool_new. */
    options.initializer.len = sizeof *limit;
    options.finalizer.pointer = free_table;
    pool_t *pool;
    must(pool_new(&options, &pool, NULL));
    return pool;
}

int main(int argc, char **argv) {
    pool_options_t options = POOL_OPTIONS_INIT;
    if (argc > 1 && strcmp(argv[1], "--threads") == 0) options.kind = POOL_THREAD;

    uint32_t limit = 1000000, numbers[] = {720720, 999983, 1000000};
    pool_t *pool = pool_with_tables(options, &limit);
    for (int i = 0; i < 3; i++) {
        char text[256];
        must(pool_run(pool, factor, &numbers[i], sizeof numbers[i], POOL_FOREVER, text, sizeof text,
                      NULL));
        puts(text);
    }
    pool_free(pool); /* The workers leave, and before that they run the finalizer. */

    limit = 1;
    pool = pool_with_tables(options, &limit);
    pool_error_t error;
    pool_run(pool, factor, &limit, sizeof limit, POOL_FOREVER, NULL, 0, NULL); /* Is cancelled. */
    pool_status_t status = pool_check(pool, &error);
    printf("a table up to 1: %s, code %d, \"%s\"\n", pool_status_name(status), error.task_code,
           error.message);
    pool_free(pool);
}
