/* A program that makes and frees pools for ever does not grow: each block that was allocated for a pool and its
 * workers is freed, also what a process needed that shared the program's memory until it executed a worker. */
#include "check.h"

enum { WARM = 3, ROUNDS = 20, TASKS = 6 };

/* ---- malloc of this program and of the library, which counts -------------------------------- */

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static _Atomic long blocks;

static void *counted(void *block) {
    if (block) blocks++;
    return block;
}

void *malloc(size_t size) {
    return counted(__libc_malloc(size));
}

void *calloc(size_t n, size_t size) {
    return counted(__libc_calloc(n, size));
}

void *realloc(void *block, size_t size) {
    void *moved = __libc_realloc(block, size);
    if (!block && moved) blocks++;
    if (block && !moved && size == 0) blocks--;
    return moved;
}

void *memalign(size_t alignment, size_t size) {
    return counted(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size) {
    return counted(__libc_memalign(alignment, size));
}

int posix_memalign(void **block, size_t alignment, size_t size) {
    *block = counted(__libc_memalign(alignment, size));
    return *block ? 0 : 12; /* ENOMEM */
}

void free(void *block) {
    if (block) blocks--;
    __libc_free(block);
}

/* ---------------------------------------------------------------------------------------------- */

static void live(const pool_options_t *options) {
    pool_t *pool = new_pool(options, 2);
    for (int i = 0; i < TASKS; i++) CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    options.max_tasks_per_worker = 2;
    for (int i = 0; i < WARM; i++) live(&options);
    long before = blocks;
    for (int i = 0; i < ROUNDS; i++) live(&options);
    long grown = blocks - before;
    if (grown >= ROUNDS) fprintf(stderr, "%ld blocks more after %d pools\n", grown, ROUNDS);
    CHECK(grown < ROUNDS);
    return leaves_nothing_behind();
}
