/* A task with every kind of callback: accepted, past its soft limit, ended at its hard limit, done, and
 * dropped. Each is called once, in this order, one after the other, with the same user pointer. A callback
 * that is added later comes after those of the call. */
#include "time_limits.h"
#include "processes.h"

enum { STARTED = WORD_FIRST, LIMIT_MS = 60, TASKS = 3 };

struct story {
    char told[32];
    size_t len;
    future_t *future;
    _Atomic int is_over;
    _Atomic int inside;
};

static void tell(struct story *story, char what) {
    CHECK_EQUAL(story->inside++, 0);
    CHECK(story->len < sizeof story->told - 1);
    story->told[story->len++] = what;
    story->inside--;
}

static void on_accept(uint32_t worker, int64_t pid, void *user) {
    CHECK(worker == 0 && pid > 0);
    tell(user, 'a');
}

static void on_timeout(future_t *future, bool soft, int64_t limit_ms, void *user) {
    (void)future; /* It was freed. */
    CHECK_EQUAL(limit_ms, soft ? LIMIT_MS / 2 : LIMIT_MS);
    tell(user, soft ? 's' : 'h');
}

static void on_done(future_t *future, void *user) {
    pool_error_t error;
    CHECK_EQUAL(future_state(future), FUTURE_FAILED);
    CHECK_OK(future_error(future, &error));
    CHECK_IS(error.status, POOL_ERR_HARD_LIMIT);
    tell(user, 'd');
}

static void on_done_too(future_t *future, void *user) {
    CHECK(future_is_done(future));
    tell(user, 'D');
}

static void on_drop(void *user) {
    tell(user, '.');
}

static void on_drop_too(void *user) {
    struct story *story = user;
    tell(story, ',');
    story->is_over = 1;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    static struct story stories[TASKS];
    const uint32_t started = STARTED;
    pool_t *pool = new_pool(&options, 1);
    for (int i = 0; i < TASKS; i++) {
        pool_call_t call = POOL_CALL_INIT;
        call.task = (pool_function_t){run_for_ever, NULL, NULL, &started, sizeof started};
        call.soft_limit_ms = LIMIT_MS / 2;
        call.hard_limit_ms = LIMIT_MS;
        call.on_accept = on_accept;
        call.on_timeout = on_timeout;
        call.on_done = on_done;
        call.user = &stories[i];
        call.drop = on_drop;
        future_t *future = submit_call(pool, &call);
        CHECK_OK(future_on_done(future, on_done_too, &stories[i], on_drop_too, NULL));
        future_free(future); /* Nobody has to keep it. */
    }
    for (int i = 0; i < TASKS; i++) {
        while (!stories[i].is_over) pause_briefly();
        if (strcmp(stories[i].told, "ashd.D,")) fprintf(stderr, "%s: ", stories[i].told);
        CHECK(strcmp(stories[i].told, "ashd.D,") == 0);
    }
    CHECK_EQUAL(word_get(STARTED), TASKS);
    pool_free(pool);
    return leaves_nothing_behind();
}
