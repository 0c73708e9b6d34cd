/* A C++ exception that leaves a task's function fails that task, or that item, with the exception's type and
 * words, and is destroyed. Its worker goes on. */
#include <exception>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>

#include "check.h"

namespace {

int alive = 0;

struct Named {
    virtual ~Named() {}
    int number = 5;
};

struct Counted : Named, virtual std::runtime_error {
    Counted() : std::runtime_error("the second base") { alive++; }
    Counted(const Counted &other) : std::runtime_error(other), Named(other) { alive++; }
    ~Counted() noexcept override { alive--; }
};

struct Other {};

enum Way { RETURNS, STANDARD, SEVERAL_BASES, AGAIN, NUMBER, CLASS };

void leave(Way way) {
    switch (way) {
    case RETURNS: return;
    case STANDARD: throw std::out_of_range("no such row");
    case SEVERAL_BASES: throw Counted();
    case AGAIN: std::rethrow_exception(std::make_exception_ptr(std::logic_error("from elsewhere")));
    case NUMBER: throw 42;
    case CLASS: throw Other();
    }
}

const char *words(Way way) {
    switch (way) {
    case RETURNS: return "";
    case STANDARD: return "std::out_of_range: no such row";
    case SEVERAL_BASES: return "(anonymous namespace)::Counted: the second base";
    case AGAIN: return "std::logic_error: from elsewhere";
    case NUMBER: return "an exception of type int left the function";
    case CLASS: return "an exception of type (anonymous namespace)::Other left the function";
    }
    return NULL;
}

} // namespace

extern "C" int32_t leave_by(pool_task_t *task) {
    Way way;
    std::memcpy(&way, pool_task_args(task, NULL), sizeof way);
    std::unique_ptr<std::string> destroyed(new std::string("on the way"));
    if (std::uncaught_exception() || alive != 0) return pool_task_fail(task, 1, "the last exception is still there");
    leave(way);
    return pool_task_return(task, &way, sizeof way);
}

static pool_error_t run(pool_t *pool, Way way) {
    pool_error_t error;
    future_t *future;
    CHECK_OK(pool_submit(pool, leave_by, &way, sizeof way, &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_OK(future_error(future, &error));
    future_free(future);
    return error;
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 1);
    for (int round = 0; round < 3; round++) {
        for (int number = RETURNS; number <= CLASS; number++) {
            Way way = static_cast<Way>(number);
            pool_error_t error = run(pool, way);
            CHECK_IS(error.status, way == RETURNS ? POOL_OK : POOL_ERR_TASK);
            if (way == RETURNS) continue;
            CHECK_EQUAL(error.task_code, INT32_MIN);
            if (std::string(error.message) != words(way)) std::fprintf(stderr, "%s\n", error.message);
            CHECK(std::string(error.message) == words(way));
        }
    }

    Way ways[] = {RETURNS, SEVERAL_BASES, RETURNS, AGAIN, NUMBER, RETURNS}, results[6];
    pool_status_t statuses[6];
    pool_map_options_t how = POOL_MAP_INIT;
    how.chunk_size = 6;
    CHECK_IS(pool_map(pool, leave_by, ways, sizeof *ways, 6, &how, results, sizeof *results, statuses),
             POOL_ERR_TASK);
    for (int i = 0; i < 6; i++) CHECK_IS(statuses[i], ways[i] == RETURNS ? POOL_OK : POOL_ERR_TASK);
    pool_free(pool);

    Way way = STANDARD;
    options.initializer.pointer = leave_by;
    options.initializer.args = &way;
    options.initializer.len = sizeof way;
    pool_error_t error;
    if (pool_new(&options, &pool, &error) == POOL_OK) {
        error = run(pool, way);
        pool_free(pool);
    }
    CHECK(std::strstr(error.message, words(STANDARD)) != NULL);
    return leaves_nothing_behind();
}
