/* With POOL_EXIT_NONE the program exits although a task of the pool never ends. */
#include "rerun.h"

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    skip_inline(&options);
    if (argc > 2) {
        options.at_exit = POOL_EXIT_NONE;
        future_t *running;
        occupy(new_pool(&options, 1), 0, 1, &running);
        return 11;
    }
    rerun(argv, "again", 11);
    CHECK_EQUAL(word_after_rerun("again", gate_started(0)), 1);
    CHECK_EQUAL(word_after_rerun("again", gate_open(0)), 0);
    return leaves_nothing_behind();
}
