/* A program whose tasks are left by an exception, and by pthread_exit: throws threads|processes. Prints the words of
 * both errors. */
#include <carpool.h>
#include <cstdio>
#include <cstring>
#include <pthread.h>
#include <stdexcept>

extern "C" int32_t throw_error(pool_task_t *) {
    throw std::runtime_error("no such row");
}

extern "C" int32_t end_thread(pool_task_t *) {
    pthread_exit(nullptr);
}

static bool fails(pool_t *pool, pool_task_fn function) {
    future_t *future;
    pool_error_t error;
    if (pool_submit(pool, function, nullptr, 0, &future) != POOL_OK) return false;
    bool is_told = future_wait(future, POOL_FOREVER) == POOL_OK && future_error(future, &error) == POOL_OK;
    future_free(future);
    if (is_told) std::puts(error.message);
    return is_told && error.status == POOL_ERR_TASK;
}

int main(int argc, char **argv) {
    pool_options_t options = POOL_OPTIONS_INIT;
    options.kind = argc > 1 && std::strcmp(argv[1], "threads") == 0 ? POOL_THREAD : POOL_PROCESS;
    pool_t *pool;
    if (pool_new(&options, &pool, nullptr) != POOL_OK) return 1;
    bool is_good = fails(pool, throw_error) && fails(pool, end_thread) && fails(pool, throw_error);
    pool_free(pool);
    return is_good ? 0 : 1;
}
