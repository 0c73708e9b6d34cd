/* The library that the tests of functions use. */
#include "functions.h"
#include <string.h>

int32_t not_a_function = 42;

/* Made ready by a constructor, which must have run wherever the functions run. */
static uint64_t one;

__attribute__((constructor)) static void make_ready(void) {
    one = 1;
}

static int32_t multiply(pool_task_t *task, uint64_t factor) {
    uint64_t n;
    memcpy(&n, pool_task_args(task, NULL), sizeof n);
    n *= factor * one;
    return pool_task_return(task, &n, sizeof n);
}

int32_t triple(pool_task_t *task) {
    return multiply(task, 3);
}

static int32_t hidden(pool_task_t *task) {
    return multiply(task, 4);
}

pool_task_fn quadruple(void) {
    return hidden;
}
