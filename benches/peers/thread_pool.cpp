/* Vaser's thread_pool (Debian: libthread-pool-dev), one header: a queue for each thread, stealing, and a
 * std::future from a packaged_task for each task, as very many programs have it. */
#include "peer.hpp"
#include <thread_pool/thread_pool.hpp>

struct Submit : PeerBase {
    using Future = std::future<uint64_t>;
    thread_pool::ThreadPool pool{WORKERS};

    void submit(Future &future, uint64_t x) { future = pool.Submit(answer, x); }
    uint64_t collect(Future &future) { return future.get(); }
};

int main(int argc, char **argv) {
    if (!is_how(argc, argv, "submit")) die("HOW is submit");
    Submit peer;
    measure(peer, argc, argv);
    return 0;
}
