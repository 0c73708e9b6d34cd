/* A pool with POOL_DRIVER_EXTERNAL that is open when the program exits is shut down as its option says, and
 * unprocessed callbacks are called in the thread that exits. */
#include "rerun.h"
#include "callbacks.h"
#include <pthread.h>

enum { N = 20 };

static pthread_t home;

static void count_at_home(future_t *future, void *user) {
    CHECK(pthread_equal(pthread_self(), home));
    count_call(future, user);
}

static void leave_open(pool_options_t options) {
    home = pthread_self();
    options.driver = POOL_DRIVER_EXTERNAL;
    options.at_exit = POOL_EXIT_DRAIN;
    pool_t *pool = new_pool(&options, 1);
    for (size_t i = 0; i < N; i++) {
        future_t *future;
        CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &future));
        CHECK_OK(future_on_done(future, count_at_home, user_of(i), count_drop, NULL));
        future_free(future);
    }
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (argc > 2) {
        leave_open(options);
        return 0;
    }
    rerun(argv, "open", 0);
    for (size_t i = 0; i < N; i++) {
        CHECK_EQUAL(word_after_rerun("open", calls_of(i)), 1);
        CHECK_EQUAL(word_after_rerun("open", drops_of(i)), 1);
    }
    return leaves_nothing_behind();
}
