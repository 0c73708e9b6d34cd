/* Large data without copies: the arguments are written where the worker reads them, and the result
 * where the caller does, also between processes.
 *
 * Prints:
 *     32 MiB there and back
 *     1 to 4194304 add up to 8796095119360
 */
#include <carpool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT = 4194304 };

static void must(pool_status_t status) {
    if (status == POOL_OK) return;
    fprintf(stderr, "%s\n", pool_status_string(status));
    exit(1);
}

/* Arguments: numbers. Result: as many, each the sum of the numbers up to there. */
static int32_t add_up(pool_task_t *task) {
    size_t len;
    const uint64_t *numbers = pool_task_args(task, &len);
    uint64_t *sums = pool_task_result(task, len);
    if (!sums) return pool_task_fail(task, 1, "no memory for the result");
    uint64_t sum = 0;
    for (size_t i = 0; i < len / sizeof *numbers; i++) sums[i] = sum += numbers[i];
    return 0;
}

int main(int argc, char **argv) {
    pool_options_t options = POOL_OPTIONS_INIT;
    if (argc > 1 && strcmp(argv[1], "--threads") == 0) options.kind = POOL_THREAD;
    pool_t *pool;
    must(pool_new(&options, &pool, NULL));

    pool_call_t call = POOL_CALL_INIT;
    call.task.pointer = add_up;
    void *room;
    must(pool_buffer_new(pool, COUNT * sizeof(uint64_t), &call.buffer, &room));
    uint64_t *numbers = room;
    for (uint64_t i = 0; i < COUNT; i++) numbers[i] = i + 1;

    future_t *future;
    must(pool_submit_call(pool, &call, &future)); /* The buffer is not ours any more. */
    const void *result;
    size_t len;
    must(future_collect(future, POOL_FOREVER, &result, &len));
    const uint64_t *sums = result;
    printf("%zu MiB there and back\n", len >> 20);
    printf("1 to %d add up to %llu\n", COUNT, (unsigned long long)sums[COUNT - 1]);
    future_free(future); /* The result lives as long as the future. */
    pool_free(pool);
}
