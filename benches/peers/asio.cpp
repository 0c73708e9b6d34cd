/* Asio's thread_pool.
 *
 * post: each task fills a slot. use_future: each task has a std::future that Asio creates. */
#include "peer.hpp"
#include <asio/post.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_future.hpp>
#include <future>

struct Post : PeerBase {
    using Future = Slot;
    asio::thread_pool pool{WORKERS};

    void submit(Slot &slot, uint64_t x) {
        slot.begin(x);
        asio::post(pool, [&slot] { slot.run(); });
    }
    uint64_t collect(Slot &slot) { return slot.wait(); }
};

struct UseFuture : PeerBase {
    using Future = std::future<uint64_t>;
    asio::thread_pool pool{WORKERS};

    void submit(Future &future, uint64_t x) {
        future = asio::post(pool, asio::use_future([x] { return answer(x); }));
    }
    uint64_t collect(Future &future) { return future.get(); }
};

int main(int argc, char **argv) {
    if (is_mode(argc, argv, "post")) {
        Post peer;
        measure(peer, argc, argv);
    } else if (is_mode(argc, argv, "use_future")) {
        UseFuture peer;
        measure(peer, argc, argv);
    } else {
        die("MODE is post or use_future");
    }
    return 0;
}
