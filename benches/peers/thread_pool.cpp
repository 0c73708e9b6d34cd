/* Vaser's thread_pool (Debian: libthread-pool-dev), a single header: one queue per thread, work stealing, and
 * for each task the std::future of a packaged_task, a very common design. */
#include "peer.hpp"
#include <thread_pool/thread_pool.hpp>

struct Submit : PeerBase {
    using Future = std::future<uint64_t>;
    thread_pool::ThreadPool pool{WORKERS};

    void submit(Future &future, uint64_t x) { future = pool.Submit(answer, x); }
    uint64_t collect(Future &future) { return future.get(); }
};

int main(int argc, char **argv) {
    if (!is_mode(argc, argv, "submit")) die("MODE is submit");
    Submit peer;
    measure(peer, argc, argv);
    return 0;
}
