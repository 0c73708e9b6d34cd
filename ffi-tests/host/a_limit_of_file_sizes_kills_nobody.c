/* RLIMIT_FSIZE counts for shared memory, too, and who passes it is killed by SIGXFSZ. A pool is made smaller
 * to fit the limit, or refused; a task whose result needs a larger file fails. */
#include "sizes.h"
#include <sys/resource.h>

enum { LARGE = (64 << 20) + 1 };

static void limit_file_sizes(rlim_t bytes) {
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    limit.rlim_cur = bytes ? bytes : limit.rlim_max;
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static int32_t return_much(pool_task_t *task) {
    void *room = pool_task_result(task, LARGE);
    if (!room) return 1;
    fill(room, LARGE);
    return 0;
}

static void check_refused_result(pool_t *pool) {
    CHECK_IS(pool_run(pool, return_much, NULL, 0, POOL_FOREVER, NULL, 0, NULL), POOL_ERR_NOMEM);
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
}

/* The limit is one of the workers. */
static void limit_workers(pool_options_t options) {
    pool_rlimit_t limit = {RLIMIT_FSIZE, 4096, 4096};
    options.rlimits = &limit;
    options.n_rlimits = 1;
    pool_t *pool = new_pool(&options, 1);
    check_refused_result(pool);
    pool_free(pool);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    options.max_workers = 1;
    int made = 0, refused = 0;
    /* From one page to more than any pool needs. */
    for (int shift = 12; shift < 46; shift += 3) {
        pool_t *pool;
        pool_error_t error;
        limit_file_sizes((rlim_t)1 << shift);
        pool_status_t status = pool_new(&options, &pool, &error);
        if (status == POOL_OK) {
            made++;
            CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
            if (shift < 26) check_refused_result(pool);
        } else {
            refused++;
            CHECK_IS(status, POOL_ERR_OS);
            CHECK(strstr(error.message, "RLIMIT_FSIZE") != NULL);
        }
        pool_free(pool);
        limit_file_sizes(0);
    }
    CHECK(made > 0);
    CHECK((refused > 0) == (options.kind == POOL_PROCESS));
    if (options.kind == POOL_PROCESS) limit_workers(options);
    return leaves_nothing_behind();
}
