/* A struct of an older or newer header is read as far as both know it. */
#include "rendezvous.h"

/* A struct as a newer header might have it. */
struct longer_options {
    pool_options_t known;
    uint64_t unknown[4];
};

struct longer_call {
    pool_call_t known;
    uint64_t unknown[4];
};

static void check_options(const pool_options_t *options, pool_status_t expected) {
    pool_error_t error;
    pool_t *pool = (pool_t *)&error;
    CHECK_IS(pool_new(options, &pool, &error), expected);
    CHECK((pool != NULL) == (expected == POOL_OK));
    if (expected != POOL_OK) {
        CHECK_IS(error.status, expected);
        CHECK(error.message[0] != 0);
    }
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    struct longer_options longer = {options, {0}};
    struct longer_call longer_call = {POOL_CALL_INIT, {0}};
    future_t *future;
    check_options(&options, POOL_OK);

    /* No size: POOL_OPTIONS_INIT was forgotten. */
    longer.known.struct_size = 0;
    check_options(&longer.known, POOL_ERR_INVALID);

    /* An older header ended after max_workers; what comes behind is not read. */
    memset(&longer, 0x7f, sizeof longer);
    longer.known = options;
    longer.known.struct_size = offsetof(pool_options_t, max_workers) + sizeof options.max_workers;
    longer.known.idle_timeout_ms = 77;
    check_options(&longer.known, POOL_OK);

    /* A newer one is fine as long as it does not ask for what is not known. */
    memset(longer.unknown, 0, sizeof longer.unknown);
    longer.known = options;
    longer.known.struct_size = sizeof longer;
    check_options(&longer.known, POOL_OK);
    longer.unknown[3] = (uint64_t)1 << 63;
    check_options(&longer.known, POOL_ERR_VERSION);

    pool_t *pool = new_pool(&options, 1);
    longer_call.known.task.pointer = warm_up;
    longer_call.known.struct_size = 0;
    CHECK_IS(pool_submit_call(pool, &longer_call.known, &future), POOL_ERR_INVALID);
    longer_call.known.struct_size = offsetof(pool_call_t, soft_limit_ms);
    longer_call.known.soft_limit_ms = 77;
    CHECK_OK(pool_submit_call(pool, &longer_call.known, NULL));
    longer_call.known.soft_limit_ms = 0;
    longer_call.known.struct_size = sizeof longer_call;
    CHECK_OK(pool_submit_call(pool, &longer_call.known, NULL));
    longer_call.unknown[0] = 1;
    CHECK_IS(pool_submit_call(pool, &longer_call.known, &future), POOL_ERR_VERSION);
    CHECK(future == NULL);
    pool_free(pool);
    return leaves_nothing_behind();
}
