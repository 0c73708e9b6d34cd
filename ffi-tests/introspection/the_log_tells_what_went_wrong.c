/* Lost workers and broken pools are logged with a message and a severity; normal events are logged at debug
 * level only. The log is silent after the pool was freed. */
#include "rendezvous.h"
#include <signal.h>

static char worst[1024];
static pool_log_level_t gravest = POOL_LOG_DEBUG;
static bool is_over;

static void note(pool_log_level_t level, const char *message, void *user) {
    CHECK(user == worst);
    CHECK(!is_over);
    CHECK(level >= POOL_LOG_ERROR && level <= POOL_LOG_DEBUG);
    if (level < gravest) {
        gravest = level;
        snprintf(worst, sizeof worst, "%s", message);
    }
}

static void over(void *user) {
    CHECK(user == worst);
    is_over = true;
}

static int32_t crash(pool_task_t *task) {
    (void)task;
    raise(SIGKILL);
    return 0;
}

static int32_t fail(pool_task_t *task) {
    return pool_task_fail(task, 7, "no luck today");
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    options.log = note;
    options.user = worst;
    options.drop = over;

    pool_t *pool = new_pool(&options, 1);
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    if (options.kind == POOL_PROCESS) {
        CHECK_OK(pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
        CHECK_EQUAL(gravest, POOL_LOG_DEBUG);
        pool_free(pool);
        CHECK(is_over);
        is_over = false;
        pool = new_pool(&options, 1);
        CHECK_IS(pool_run(pool, crash, NULL, 0, POOL_FOREVER, NULL, 0, NULL), POOL_ERR_WORKER_LOST);
    }
    pool_free(pool);
    CHECK(is_over);
    if (options.kind == POOL_PROCESS) {
        CHECK_EQUAL(gravest, POOL_LOG_ERROR);
        CHECK(strstr(worst, "signal 9") != NULL);
    } else {
        CHECK_EQUAL(gravest, POOL_LOG_DEBUG);
    }

    pool_function_t bad = {fail, NULL, NULL, NULL, 0};
    options.initializer = bad;
    gravest = POOL_LOG_DEBUG;
    is_over = false;
    pool = new_pool(&options, 1);
    CHECK_IS(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL), POOL_ERR_BROKEN);
    pool_free(pool);
    CHECK_EQUAL(gravest, POOL_LOG_ERROR);
    CHECK(strstr(worst, "no luck today") != NULL);
    return leaves_nothing_behind();
}
