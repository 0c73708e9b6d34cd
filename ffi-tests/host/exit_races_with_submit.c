/* The program may exit while its threads submit, wait, and make pools: it ends, with its status. */
#include "rerun.h"
#include <pthread.h>

enum { ROUNDS = 20, THREADS = 3, STARTED = LIFECYCLE_FIRST };

static pool_t *shared;
static pool_options_t options;

/* Whatever the calls answer now, they come back. */
static void *work(void *unused) {
    (void)unused;
    for (uint64_t i = 0;; i++) {
        uint64_t result;
        pool_t *own;
        pool_run(shared, square, &i, sizeof i, POOL_FOREVER, &result, sizeof result, NULL);
        pool_submit(shared, square, &i, sizeof i, NULL);
        if (i % 16 == 0 && pool_new(&options, &own, NULL) == POOL_OK) {
            pool_run(own, square, &i, sizeof i, POOL_FOREVER, &result, sizeof result, NULL);
            pool_free(own);
        }
        if (i == 0) word_add(STARTED, 1);
    }
    return NULL;
}

int main(int argc, char **argv) {
    options = test_begin(argc, argv);
    if (argc > 2) {
        options.max_workers = 2;
        if (atoi(argv[2]) % 2) options.at_exit = POOL_EXIT_DRAIN;
        shared = new_pool(&options, 2);
        pthread_t thread;
        for (int i = 0; i < THREADS; i++) pthread_create(&thread, NULL, work, NULL);
        word_wait(STARTED, THREADS);
        return 9;
    }
    for (int i = 0; i < ROUNDS; i++) {
        char how[16];
        snprintf(how, sizeof how, "%d", i);
        rerun(argv, how, 9);
    }
    return leaves_nothing_behind();
}
