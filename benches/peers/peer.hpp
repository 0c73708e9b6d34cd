/* Measures another thread pool with the workloads of small_tasks.c and round_trip.c.
 *
 *     PROGRAM MODE small_tasks WINDOW TASKS
 *     PROGRAM MODE round_trip TRIPS PAUSES
 *
 * The program of a library has one Peer for each MODE, with 2 threads and
 *
 *     Peer::Future                          the caller's handle of a task; allocated once and reused
 *     void submit(Future &, uint64_t x)     starts answer(x) in one of the threads
 *     uint64_t collect(Future &)            waits for this task only and returns its result
 *     void wait_all()                       called before all tasks are collected; does nothing by default */
#ifndef PEER_HPP
#define PEER_HPP

#include "trips.h"
#include <atomic>
#include <memory>
#include <vector>

enum : unsigned { WORKERS = 2 };
enum : uint64_t { NAP = UINT64_MAX };

/* The task. NAP takes long enough that one thread cannot run all tasks before the other has started. */
static inline uint64_t answer(uint64_t x) {
    if (x == NAP) usleep(2000);
    return x * 2 + 1;
}

/* A minimal future for libraries without futures: the argument, which the result replaces, and a word to wait
 * on. Unlike std::future it needs no allocation per task. */
struct Slot {
    uint64_t value;
    std::atomic<uint32_t> done;

    void begin(uint64_t x) {
        value = x;
        done.store(0, std::memory_order_relaxed);
    }

    /* seq_cst orders the store before notify_one's check for waiters. */
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

/* The first pass is reported separately, then the median of the later ones. */
template <class Pass> void print_passes(const char *what, uint64_t n, size_t passes_max, Pass pass) {
    const uint64_t budget_ns = 300000000;
    span cold = pass();
    std::vector<uint64_t> warm_ns;
    uint64_t cpu_ns = 0, began_ns = now_ns();
    while (warm_ns.empty() || (warm_ns.size() < passes_max && now_ns() - began_ns < budget_ns)) {
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

/* As in small_tasks.c. WINDOW 0 keeps all tasks in flight at once. */
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

/* Runs the workload named by the arguments. */
template <class Peer> void measure(Peer &peer, int argc, char **argv) {
    if (argc != 5) die("usage: %s MODE small_tasks WINDOW TASKS | MODE round_trip TRIPS PAUSES", argv[0]);
    if (strcmp(argv[2], "small_tasks") == 0) small_tasks(peer, number(argv[3]), number(argv[4]));
    else if (strcmp(argv[2], "round_trip") == 0) round_trip(peer, number(argv[3]), number(argv[4]));
    else die("no such workload: %s", argv[2]);
}

/* Whether this is the MODE of the arguments. */
static inline bool is_mode(int argc, char **argv, const char *name) {
    return argc > 1 && strcmp(argv[1], name) == 0;
}

#endif
