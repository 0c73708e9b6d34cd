// A C++ exception that leaves a task's function ends the worker process, as it would end a program: the task fails with
// the signal, and nothing else notices. (In a worker thread it ends the program.)
#define NO_WORKER_MAIN
#include "check.h"
#include <signal.h>
#include <stdexcept>

namespace {

int32_t let_it_go(pool_task_t *) {
    throw std::runtime_error("not caught");
}

int32_t catch_it(pool_task_t *task) {
    try {
        throw std::runtime_error("caught");
    } catch (const std::exception &exception) {
        return pool_task_fail(task, 3, exception.what());
    }
}

}  // namespace

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 1);
    pool_error_t error;
    future_t *future;
    if (options.kind == POOL_PROCESS) {
        CHECK_OK(pool_submit(pool, let_it_go, NULL, 0, &future));
        CHECK_OK(future_wait(future, POOL_FOREVER));
        CHECK_OK(future_error(future, &error));
        CHECK_IS(error.status, POOL_ERR_WORKER_LOST);
        CHECK_EQUAL(error.signal, SIGABRT);
        future_free(future);
    }
    CHECK_OK(pool_submit(pool, catch_it, NULL, 0, &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_OK(future_error(future, &error));
    CHECK_IS(error.status, POOL_ERR_TASK);
    CHECK(strcmp(error.message, "caught") == 0);
    future_free(future);
    CHECK_OK(pool_check(pool, NULL));
    pool_free(pool);
    return leaves_nothing_behind();
}
