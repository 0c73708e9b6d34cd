/* A C++ lambda without captures is submitted like any function, and finds global objects constructed. */
#define NO_WORKER_MAIN
#include "check.h"
#include <string>
#include <vector>

namespace {

const std::vector<std::string> words = {"made", "before", "main"};

std::string run(pool_t *pool, pool_task_fn function) {
    char result[64];
    size_t len = 0;
    CHECK_OK(pool_run(pool, function, nullptr, 0, POOL_FOREVER, result, sizeof result, &len));
    return std::string(result, len);
}

}  // namespace

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, 2);
    const std::string all = run(pool, [](pool_task_t *task) {
        std::string text;
        for (const std::string &word : words) text += word + " ";
        return pool_task_return(task, text.data(), text.size());
    });
    CHECK(all == "made before main ");

    /* Two lambdas are two functions. */
    const std::string other = run(pool, [](pool_task_t *task) {
        return pool_task_return(task, words[1].data(), words[1].size());
    });
    CHECK(other == "before");
    pool_free(pool);
    return leaves_nothing_behind();
}
