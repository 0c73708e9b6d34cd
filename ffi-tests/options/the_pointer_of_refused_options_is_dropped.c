/* When pool_new fails, the pointer in its options is dropped, once, before it returns, whatever was
 * wrong, as long as the struct could be read. */
#include "callbacks.h"

static pool_options_t options_of(const pool_options_t *options, size_t n) {
    pool_options_t own = *options;
    own.user = user_of(n);
    own.drop = count_drop;
    own.max_workers = 1;
    return own;
}

static void is_refused(const pool_options_t *options, size_t n, pool_status_t status) {
    pool_t *pool = (pool_t *)&pool;
    pool_error_t error;
    CHECK_IS(pool_new(options, &pool, &error), status);
    CHECK(pool == NULL);
    CHECK_IS(error.status, status);
    check_counts(n, 0, 1);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv), own;
    size_t n = 0;
    pool_t *pool;

    own = options_of(&options, n);
    own.name = "a/b";
    is_refused(&own, n++, POOL_ERR_INVALID);
    own = options_of(&options, n);
    own.kind = (pool_kind_t)99;
    is_refused(&own, n++, POOL_ERR_INVALID);
    own = options_of(&options, n);
    own.min_workers = 2;
    is_refused(&own, n++, POOL_ERR_INVALID);

    /* A later version, with a field that this one does not know. */
    struct {
        pool_options_t options;
        uint64_t unknown;
    } later = {options_of(&options, n), 1};
    later.options.struct_size = sizeof later;
    is_refused(&later.options, n++, POOL_ERR_VERSION);

    /* No place for the pool, or no worker. */
    own = options_of(&options, n);
    CHECK_IS(pool_new(&own, NULL, NULL), POOL_ERR_INVALID);
    check_counts(n++, 0, 1);
    own = options_of(&options, n);
    CHECK_IS(pool_new_fixed(options.kind, 1, &own, NULL, NULL), POOL_ERR_INVALID);
    check_counts(n++, 0, 1);
    own = options_of(&options, n);
    CHECK_IS(pool_new_fixed(options.kind, 0, &own, &pool, NULL), POOL_ERR_INVALID);
    check_counts(n++, 0, 1);

    /* A struct that cannot be read: nothing is known of its pointer. */
    own = options_of(&options, n);
    own.struct_size = 1;
    CHECK_IS(pool_new(&own, &pool, NULL), POOL_ERR_INVALID);
    check_counts(n++, 0, 0);

    own = options_of(&options, n);
    CHECK_OK(pool_new(&own, &pool, NULL));
    check_counts(n, 0, 0);
    pool_free(pool);
    check_counts(n, 0, 1);
    return leaves_nothing_behind();
}
