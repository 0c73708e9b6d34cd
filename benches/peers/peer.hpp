/* What another thread pool is measured with: the works of small_tasks.c and round_trip.c.
 *
 *     PROGRAM HOW small_tasks WINDOW TASKS
 *     PROGRAM HOW round_trip TRIPS PAUSES
 *
 * Each library has a program with at least one Peer, chosen by HOW: 2 threads, and
 *
 *     Peer::Future                          what a caller holds of one task; made once and used again
 *     void submit(Future &, uint64_t x)     begins answer(x) in one of the threads
 *     uint64_t collect(Future &)            waits for this task alone and returns its answer
 *     void wait_all()                       what helps before all are collected; nothing by default */
#ifndef PEER_HPP
#define PEER_HPP

#include "trips.h"
#include <atomic>
#include <memory>
#include <vector>

enum : unsigned { WORKERS = 2 };
enum : uint64_t { NAP = UINT64_MAX };

/* The task. A nap keeps one thread from getting through all of them before the other has started. */
static inline uint64_t answer(uint64_t x) {
    if (x == NAP) usleep(2000);
    return x * 2 + 1;
}

/* A future for a library that has none, the least that one can be: the argument, replaced by the answer,
 * and a word to wait for. No task takes memory of its own for it, unlike with std::future. */
struct Slot {
    uint64_t value;
    std::atomic<uint32_t> done;

    void begin(uint64_t x) {
        value = x;
        done.store(0, std::memory_order_relaxed);
    }

    /* In order with notify_one's look at who waits. */
    void run() {
        value = answer(value);
        done.store(1, std::memory_order_seq_cst);
        done.notify_one();
    }

    uint64_t wait() {
        done.wait(0, std::memory_order_acquire);
        return value;
    }
};

struct PeerBase {
    void wait_all() {}
};

template <class Peer> void start_workers(Peer &peer) {
    typename Peer::Future futures[WORKERS];
    for (int round = 0; round < 10; round++) {
        for (auto &future : futures) peer.submit(future, NAP);
        for (auto &future : futures) CHECK(peer.collect(future) == NAP * 2 + 1);
    }
}

template <class Peer> span pass(Peer &peer, typename Peer::Future *futures, uint64_t window, uint64_t tasks) {
    span took = span_begin();
    for (uint64_t i = 0; i < window; i++) peer.submit(futures[i], i);
    if (window == tasks) peer.wait_all();
    for (uint64_t i = 0; i < tasks; i++) {
        auto &future = futures[i % window];
        CHECK(peer.collect(future) == i * 2 + 1);
        if (i + window < tasks) peer.submit(future, i + window);
    }
    span_end(&took);
    return took;
}

/* The first pass is told apart; of those after it the median one counts. */
template <class Pass> void print_passes(const char *what, uint64_t n, size_t most, Pass pass) {
    const uint64_t budget_ns = 300000000;
    span cold = pass();
    std::vector<uint64_t> warm_ns;
    uint64_t cpu_ns = 0, began_ns = now_ns();
    while (warm_ns.empty() || (warm_ns.size() < most && now_ns() - began_ns < budget_ns)) {
        span warm = pass();
        warm_ns.push_back(warm.wall_ns);
        cpu_ns += warm.self_cpu_ns;
    }
    size_t passes = warm_ns.size();
    double each = static_cast<double>(n), median_ns = static_cast<double>(percentile(warm_ns.data(), passes, 50));
    printf("{\"%s\": %" PRIu64 ", \"warm_passes\": %zu, \"cold_ns\": %.3f, \"warm_ns\": %.3f, \"cpu_ns\": %.3f}\n",
           what, n, passes, static_cast<double>(cold.wall_ns) / each, median_ns / each,
           static_cast<double>(cpu_ns) / each / static_cast<double>(passes));
}

/* As small_tasks.c does it. WINDOW 0 keeps all in flight at once. */
template <class Peer> void small_tasks(Peer &peer, uint64_t window, uint64_t tasks) {
    if (window == 0) window = tasks;
    CHECK(tasks > 0 && window <= tasks);
    auto futures = std::make_unique<typename Peer::Future[]>(window);
    start_workers(peer);
    print_passes("tasks", tasks, 5, [&] { return pass(peer, futures.get(), window, tasks); });
}

template <class Peer> void round_trip(Peer &peer, uint64_t trips, uint64_t pauses) {
    struct Trip {
        Peer &peer;
        typename Peer::Future future;
    } trip{peer, {}};
    start_workers(peer);
    measure_trips(
        [](uint64_t x, void *user) {
            Trip &trip = *static_cast<Trip *>(user);
            trip.peer.submit(trip.future, x);
            CHECK(trip.peer.collect(trip.future) == x * 2 + 1);
        },
        &trip, trips, pauses);
}

/* Does the work that the arguments name. */
template <class Peer> void measure(Peer &peer, int argc, char **argv) {
    if (argc != 5) die("usage: %s HOW small_tasks WINDOW TASKS | HOW round_trip TRIPS PAUSES", argv[0]);
    if (strcmp(argv[2], "small_tasks") == 0) small_tasks(peer, number(argv[3]), number(argv[4]));
    else if (strcmp(argv[2], "round_trip") == 0) round_trip(peer, number(argv[3]), number(argv[4]));
    else die("no such work: %s", argv[2]);
}

/* HOW, an argument. */
static inline bool is_how(int argc, char **argv, const char *name) {
    return argc > 1 && strcmp(argv[1], name) == 0;
}

#endif
