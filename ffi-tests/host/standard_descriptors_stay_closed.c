/* A host that has closed descriptors 0 to 2, as daemons do, may print: the library holds none of these
 * numbers, neither in the host nor in its workers, so nothing of it is hit. */
#include "external_driver.h"
#include "processes.h"
#include "sizes.h"

enum { ROUNDS = 3, LARGE = (64 << 20) + 1 };

static int is_open(int fd) {
    return fcntl(fd, F_GETFD) >= 0;
}

/* At rest; while a pool is made or a worker starts, files may be opened for a moment. */
static void print_into_nothing(void) {
    for (int fd = 0; fd < 3; fd++) {
        CHECK(!is_open(fd));
        CHECK(write(fd, "12345678", 8) < 0 && errno == EBADF);
    }
}

/* The result is so large that it comes back in a file of its own. A worker process has a standard
 * input; its standard output and error are those of the host. */
static int32_t make_large(pool_task_t *task) {
    if (is_open(1) || is_open(2)) return 1;
    void *room = pool_task_result(task, LARGE);
    CHECK(room != NULL);
    fill(room, LARGE);
    return is_open(1) || is_open(2) ? 2 : 0;
}

static void check_large(pool_t *pool) {
    future_t *future;
    const void *data;
    size_t len;
    CHECK_OK(pool_submit(pool, make_large, NULL, 0, &future));
    CHECK_OK(future_collect(future, POOL_FOREVER, &data, &len));
    CHECK_EQUAL(len, LARGE);
    CHECK(is_filled(data, len));
    print_into_nothing();
    future_free(future);
}

static void check_set(pool_t *pool) {
    future_set_t *set;
    future_t *promise, *taken;
    CHECK_OK(future_set_new(&set));
    struct pollfd look = {future_set_fd(set), POLLIN, 0};
    CHECK(look.fd > 2);
    CHECK_OK(future_new_promise(&promise));
    CHECK_OK(future_set_add(set, promise));
    CHECK_OK(future_set_add(set, submit_warm_up(pool)));
    CHECK_OK(future_resolve(promise, "12345678", 8));
    for (int i = 0; i < 2; i++) {
        CHECK_EQUAL(poll(&look, 1, -1), 1);
        print_into_nothing();
        CHECK_OK(future_set_next(set, 0, &taken));
        future_free(taken);
    }
    CHECK_EQUAL(poll(&look, 1, 0), 0);
    future_set_free(set);
}

static void check_callbacks(pool_t *driven, size_t n) {
    CHECK(pool_fd(driven) > 2);
    future_t *future = submit_warm_up(driven);
    count_when_driven(future, n);
    CHECK(is_due_within(driven, -1));
    print_into_nothing();
    drive_until_drop(driven, n);
    future_free(future);
}

static void use_pools(pool_options_t options, size_t round) {
    int has_workers = options.kind != POOL_INLINE;
    options.min_workers = has_workers ? 2 : 0;
    pool_t *pool = new_pool(&options, 2), *driven = new_driven_pool(&options, 2);
    if (has_workers) {
        CHECK_OK(pool_wait_ready(pool, 2, POOL_FOREVER));
        CHECK_OK(pool_wait_ready(driven, 2, POOL_FOREVER));
    }
    print_into_nothing();
    check_large(pool);
    check_set(pool);
    check_callbacks(driven, round);
    if (has_workers) CHECK_OK(pool_restart(pool, POOL_RESTART_GRACEFUL));
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    CHECK_OK(pool_check(pool, NULL));
    CHECK_OK(pool_check(driven, NULL));
    pool_free(pool);
    pool_free(driven);
    print_into_nothing();
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    CHECK_EQUAL(word_get(WORD_FIRST), 0);
    /* What fails can still be read. */
    stderr = fdopen(fcntl(2, F_DUPFD_CLOEXEC, 100), "w");
    CHECK(stderr != NULL);
    for (int fd = 0; fd < 3; fd++) close(fd);
    resources_at_start = resources_now();
    for (size_t round = 0; round < ROUNDS; round++) use_pools(options, round);
    return leaves_nothing_behind();
}
