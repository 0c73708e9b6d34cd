/* pool_new_fixed makes a pool of the kind and size in its arguments, whatever the options say about these;
 * all other options are in effect. */
#include "lifecycle.h"

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv), now = POOL_OPTIONS_INIT;
    pool_kind_t kind = options.kind;
    pool_error_t error;
    pool_t *pool;
    count_lifecycle(&options);
    options.name = "fixed";
    options.kind = (kind + 1) % 3;
    options.max_workers = 7;
    CHECK_OK(pool_new_fixed(kind, 2, &options, &pool, &error));
    CHECK_OK(pool_get_options(pool, &now));
    CHECK_EQUAL(now.kind, kind);
    CHECK_EQUAL(now.max_workers, 2);
    CHECK(strcmp(now.name, "fixed") == 0);
    CHECK_EQUAL(pool_count_workers(pool), 0);
    CHECK_EQUAL(tasks_run_before(pool), 0);
    CHECK_EQUAL(word_get(INITIALIZED), 1);
    pool_free(pool);

    CHECK_IS(pool_new_fixed(kind, 0, &options, &pool, &error), POOL_ERR_INVALID);
    CHECK(pool == NULL);
    CHECK_IS(error.status, POOL_ERR_INVALID);
    CHECK_IS(pool_new_fixed(kind, 1025, &options, &pool, NULL), POOL_ERR_INVALID);
    CHECK_IS(pool_new_fixed(9, 1, &options, &pool, NULL), POOL_ERR_INVALID);
    CHECK_IS(pool_new_fixed(kind, 1, NULL, NULL, NULL), POOL_ERR_INVALID);
    options.min_workers = 3;
    CHECK_IS(pool_new_fixed(kind, 2, &options, &pool, NULL), POOL_ERR_INVALID);
    CHECK_OK(pool_new_fixed(kind, 3, NULL, &pool, NULL));
    pool_free(pool);
    return leaves_nothing_behind();
}
