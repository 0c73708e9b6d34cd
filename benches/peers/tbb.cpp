/* oneTBB. It has no future for a task, so each task fills a slot.
 *
 * enqueue: an arena of 2 threads without the caller; first in, first out.
 * task_group: the caller's deque, from which 2 threads steal; when all tasks are in flight, the caller runs
 * tasks too, because task_group::wait does.
 * parallel_for map ITEMS: a call through a pointer for each item, as in C; parallel_for_inlined map ITEMS:
 * the function is inlined into the loop. 2 threads, one of which is the caller. */
#include "peer.hpp"
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>
#include <vector>

using namespace oneapi;

struct Enqueue : PeerBase {
    using Future = Slot;
    tbb::task_arena arena{WORKERS, 0};

    void submit(Slot &slot, uint64_t x) {
        slot.begin(x);
        arena.enqueue([&slot] { slot.run(); });
    }
    uint64_t collect(Slot &slot) { return slot.wait(); }
};

struct Group : PeerBase {
    using Future = Slot;
    tbb::task_group group;

    ~Group() { group.wait(); }
    void submit(Slot &slot, uint64_t x) {
        slot.begin(x);
        group.run([&slot] { slot.run(); });
    }
    uint64_t collect(Slot &slot) { return slot.wait(); }
    void wait_all() { group.wait(); }
};

static uint64_t (*volatile function)(uint64_t) = answer;

template <class Function> void parallel_for(int argc, char **argv, Function function) {
    if (argc != 4 || strcmp(argv[2], "map") != 0) die("usage: %s %s map ITEMS", argv[0], argv[1]);
    uint64_t n = number(argv[3]);
    std::vector<uint64_t> items(n), results(n, 1);
    for (uint64_t i = 0; i < n; i++) items[i] = i;
    print_passes("items", n, 9, [&] {
        span took = span_begin();
        tbb::parallel_for(tbb::blocked_range<uint64_t>(0, n), [&](const auto &range) {
            for (uint64_t i = range.begin(); i != range.end(); i++) results[i] = function(items[i]);
        });
        span_end(&took);
        for (uint64_t i = 0; i < n; i++) CHECK(results[i] == items[i] * 2 + 1);
        return took;
    });
}

int main(int argc, char **argv) {
    /* One more than the workers, for the caller. */
    tbb::global_control threads(tbb::global_control::max_allowed_parallelism, WORKERS + 1);
    if (is_mode(argc, argv, "enqueue")) {
        Enqueue peer;
        measure(peer, argc, argv);
    } else if (is_mode(argc, argv, "task_group")) {
        tbb::task_arena(WORKERS + 1, 1).execute([&] {
            Group peer;
            measure(peer, argc, argv);
        });
    } else if (is_mode(argc, argv, "parallel_for")) {
        tbb::task_arena(WORKERS, 1).execute([&] {
            parallel_for(argc, argv, [](uint64_t x) { return function(x); });
        });
    } else if (is_mode(argc, argv, "parallel_for_inlined")) {
        tbb::task_arena(WORKERS, 1).execute([&] {
            parallel_for(argc, argv, [](uint64_t x) { return x * 2 + 1; });
        });
    } else {
        die("MODE is enqueue, task_group, parallel_for or parallel_for_inlined");
    }
    return 0;
}
