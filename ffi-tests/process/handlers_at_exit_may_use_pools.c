/* Handlers of pool_at_exit run once, in the thread that exits, while the pools are still open: they
 * may submit and wait, free a pool, and add and remove handlers. */
#include "rerun.h"

enum { ORDER = LIFECYCLE_FIRST, DROPPED };

static pool_t *pool, *spare;
static uint64_t unwanted;

static void comes_at(uint32_t place) {
    CHECK_EQUAL(word_add(ORDER, 1), place);
}

static void never(void *user) {
    (void)user;
    fail_at_once();
}

static void drop(void *user) {
    (void)user;
    word_add(DROPPED, 1);
}

static void last(void *user) {
    (void)user;
    comes_at(2);
    CHECK_OK(pool_check(pool, NULL));
}

static void first(void *user) {
    uint64_t number = 6, result;
    comes_at(0);
    CHECK(user == &pool);
    CHECK_OK(pool_run(pool, square, &number, 8, POOL_FOREVER, &result, 8, NULL));
    CHECK_EQUAL(result, 36);
    CHECK_OK(pool_remove_at_exit(unwanted));
    CHECK_OK(pool_at_exit(last, NULL, drop, NULL));
}

static void second(void *user) {
    (void)user;
    comes_at(1);
    CHECK_OK(pool_shutdown(spare, POOL_STOP_DRAIN, POOL_FOREVER));
    pool_free(spare);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (argc > 2) {
        pool = new_pool(&options, 1);
        spare = new_pool(&options, 1);
        CHECK_OK(pool_at_exit(first, &pool, drop, NULL));
        CHECK_OK(pool_at_exit(never, NULL, drop, &unwanted));
        CHECK_OK(pool_at_exit(second, NULL, drop, NULL));
        pid_of_any_worker(spare);
        return 17;
    }
    rerun(argv, "again", 17);
    CHECK_EQUAL(word_after_rerun("again", ORDER), 3);
    CHECK_EQUAL(word_after_rerun("again", DROPPED), 4);
    return leaves_nothing_behind();
}
