/* Every status has a name and words, and the library knows its version and its CPUs. */
#include "rendezvous.h"
#include <sched.h>

static const char *const NAMES[] = {
    "POOL_OK",                "POOL_ERR_INVALID",    "POOL_ERR_NOMEM",    "POOL_ERR_OS",
    "POOL_ERR_TIMEOUT",       "POOL_ERR_CLOSED",     "POOL_ERR_BROKEN",   "POOL_ERR_INITIALIZER",
    "POOL_ERR_FINALIZER",     "POOL_ERR_CANCELLED",  "POOL_ERR_TASK",     "POOL_ERR_WORKER_LOST",
    "POOL_ERR_HARD_LIMIT",    "POOL_ERR_TERMINATED", "POOL_ERR_RESTARTS", "POOL_ERR_FULL",
    "POOL_ERR_TOO_LARGE",     "POOL_ERR_FUNCTION",   "POOL_ERR_DEADLOCK", "POOL_ERR_WRONG_PROCESS",
    "POOL_ERR_NOT_DONE",      "POOL_ERR_STATE",      "POOL_ERR_END",      "POOL_ERR_UNSUPPORTED",
    "POOL_ERR_EXPIRED",       "POOL_ERR_VERSION",
};

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    for (size_t i = 0; i < COUNT_OF(NAMES); i++) {
        CHECK(strcmp(pool_status_name((pool_status_t)i), NAMES[i]) == 0);
        CHECK(strlen(pool_status_string((pool_status_t)i)) > 3);
    }
    CHECK_EQUAL(POOL_ERR_VERSION + 1, COUNT_OF(NAMES));
    const pool_status_t none[] = {-1, COUNT_OF(NAMES), INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        CHECK(strcmp(pool_status_name(none[i]), "POOL_ERR_?") == 0);
        CHECK(strcmp(pool_status_string(none[i]), "unknown status") == 0);
    }

    char version[64];
    snprintf(version, sizeof version, "%d.%d.%d", POOL_VERSION_MAJOR, POOL_VERSION_MINOR,
             POOL_VERSION_PATCH);
    CHECK(strcmp(pool_version_string(), version) == 0);
    CHECK_EQUAL(pool_version(), POOL_VERSION_MAJOR * 1000000 + POOL_VERSION_MINOR * 1000 +
                                    POOL_VERSION_PATCH);

    cpu_set_t cpus;
    CHECK(sched_getaffinity(0, sizeof cpus, &cpus) == 0);
    CHECK(pool_available_cpus() >= 1);
    CHECK((int)pool_available_cpus() <= CPU_COUNT(&cpus));

    CHECK_EQUAL(pool_count_live(), 0);
    pool_t *one = new_pool(&options, 1), *two = new_pool(&options, 1);
    CHECK_EQUAL(pool_count_live(), 2);
    pool_free(one);
    pool_free(one);
    CHECK_EQUAL(pool_count_live(), 1);
    pool_free(two);
    return leaves_nothing_behind();
}
