/* A library that counts how often it was opened, in the first word of a program's own, and whose function
 * waits at a gate. */
#include "rendezvous.h"

__attribute__((constructor)) static void count(void) {
    word_add(WORD_FIRST, 1);
}

int32_t wait_in_library(pool_task_t *task);

int32_t wait_in_library(pool_task_t *task) {
    return wait_at_gate(task);
}
