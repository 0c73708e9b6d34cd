/* With fork_with_threads a caller is copied while its other threads allocate and print: what the C library
 * locks is free again in the copies, so their tasks do the same. */
#include "lifecycle.h"
#include <pthread.h>

enum { THREADS = 2, POOLS = 20, LINES = WORD_FIRST };

static _Atomic int is_over;
static FILE *book;

static void *allocate_and_print(void *unused) {
    (void)unused;
    while (!atomic_load(&is_over)) {
        for (size_t size = 1; size < 1 << 14; size *= 3) free(malloc(size));
        fprintf(book, "thread\n");
    }
    return NULL;
}

static int32_t allocate_and_print_too(pool_task_t *task) {
    for (size_t size = 1; size < 1 << 18; size *= 2) {
        char *room = malloc(size);
        CHECK(room != NULL);
        memset(room, 1, size);
        free(room);
    }
    fprintf(book, "task\n");
    return pool_task_return(task, "done", 5);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.start != POOL_FORK) return SKIPPED;
    pthread_t threads[THREADS];
    book = fopen("/dev/null", "w");
    CHECK(book != NULL);
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_create(&threads[i], NULL, allocate_and_print, NULL) == 0);
    }
    for (int i = 0; i < POOLS; i++) {
        char done[5];
        pool_t *pool = new_pool(&options, 2);
        CHECK_OK(pool_run(pool, allocate_and_print_too, NULL, 0, POOL_FOREVER, done, sizeof done, NULL));
        CHECK(strcmp(done, "done") == 0);
        pool_free(pool);
    }
    atomic_store(&is_over, 1);
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    fclose(book);
    return leaves_nothing_behind();
}
