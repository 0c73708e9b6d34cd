/* A set's descriptor is readable while a future can be taken out at once, for poll() and for epoll,
 * and not otherwise: an event loop needs no thread of its own. */
#include "rendezvous.h"
#include <poll.h>
#include <sys/epoll.h>

enum { N = 500 };

static int is_readable(int fd) {
    struct pollfd poll_fd = {fd, POLLIN, 0};
    return poll(&poll_fd, 1, 0) == 1;
}

static void await_readable(int fd) {
    struct pollfd poll_fd = {fd, POLLIN, 0};
    while (poll(&poll_fd, 1, -1) != 1) {}
    CHECK(poll_fd.revents == POLLIN);
}

/* Takes one out without blocking. */
static future_t *take(future_set_t *set) {
    future_t *taken;
    CHECK_OK(future_set_next(set, 0, &taken));
    return taken;
}

static void with_poll(pool_t *pool) {
    future_set_t *set;
    future_t *promises[3], *taken;
    CHECK_OK(future_set_new(&set));
    int fd = future_set_fd(set);
    CHECK(fd >= 0);
    CHECK_EQUAL(future_set_fd(set), fd);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    CHECK(!is_readable(fd));
    for (int i = 0; i < 3; i++) {
        CHECK_OK(future_new_promise(&promises[i]));
        CHECK_OK(future_set_add(set, promises[i]));
    }
    CHECK(!is_readable(fd));
    for (int i = 0; i < 2; i++) {
        CHECK_OK(future_resolve(promises[i], NULL, 0));
        CHECK_OK(future_set_next(set, POOL_FOREVER, &taken));
        CHECK(taken == promises[i]);
        CHECK(!is_readable(fd));
    }
    CHECK_OK(future_resolve(promises[2], NULL, 0));
    await_readable(fd);
    await_readable(fd);
    CHECK(take(set) == promises[2]);
    CHECK_IS(future_set_next(set, 0, &taken), POOL_ERR_END);
    CHECK(!is_readable(fd));

    /* Two are ready; with one of them it still is readable. */
    for (int i = 0; i < 2; i++) CHECK_OK(future_set_add(set, promises[i]));
    CHECK(is_readable(fd));
    take(set);
    CHECK(is_readable(fd));
    take(set);
    CHECK(!is_readable(fd));

    /* What is ready and then freed cannot be taken out; who tries that is told, and then it is not
     * readable any more. */
    for (int i = 0; i < 2; i++) CHECK_OK(future_set_add(set, promises[i]));
    future_free(promises[0]);
    CHECK(is_readable(fd));
    future_free(promises[1]);
    CHECK_IS(future_set_next(set, 0, &taken), POOL_ERR_END);
    CHECK(!is_readable(fd));
    future_free(promises[2]);
    future_set_free(set);

    /* The descriptor may be asked for late. */
    CHECK_OK(future_set_new(&set));
    CHECK_OK(pool_submit(pool, warm_up, NULL, 0, &promises[0]));
    CHECK_OK(future_set_add(set, promises[0]));
    CHECK_OK(future_wait(promises[0], POOL_FOREVER));
    await_readable(future_set_fd(set));
    CHECK(take(set) == promises[0]);
    future_free(promises[0]);
    future_set_free(set);
}

/* Two sets in one loop. */
static void with_epoll(pool_t **pools) {
    future_set_t *sets[2];
    int epoll = epoll_create1(EPOLL_CLOEXEC), left = N;
    uint64_t sum = 0;
    for (int k = 0; k < 2; k++) {
        CHECK_OK(future_set_new(&sets[k]));
        struct epoll_event event = {EPOLLIN, {.u32 = (uint32_t)k}};
        CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, future_set_fd(sets[k]), &event) == 0);
    }
    for (uint64_t i = 0; i < N; i++) {
        future_t *future;
        CHECK_OK(pool_submit(pools[i % 2], square, &i, sizeof i, &future));
        CHECK_OK(future_set_add(sets[i % 3 == 0], future));
    }
    while (left > 0) {
        struct epoll_event events[2];
        int n = epoll_wait(epoll, events, 2, -1);
        for (int k = 0; k < n; k++) {
            future_t *taken = take(sets[events[k].data.u32]);
            sum += collect_number(taken);
            future_free(taken);
            left--;
        }
    }
    CHECK_EQUAL(sum, (uint64_t)(N - 1) * N * (2 * N - 1) / 6);
    for (int k = 0; k < 2; k++) {
        CHECK(!is_readable(future_set_fd(sets[k])));
        future_set_free(sets[k]);
    }
    close(epoll);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pools[2] = {new_pool(&options, 2), new_pool(&options, 1)};
    with_poll(pools[0]);
    with_epoll(pools);
    pool_free(pools[0]);
    pool_free(pools[1]);
    return leaves_nothing_behind();
}
