/* GLib's GThreadPool. It calls one function with whatever is pushed, here a slot. */
#include "peer.hpp"
#include <glib.h>

struct Push : PeerBase {
    using Future = Slot;
    GThreadPool *pool = g_thread_pool_new([](void *slot, void *) { static_cast<Slot *>(slot)->run(); },
                                          nullptr, WORKERS, TRUE, nullptr);

    Push() { CHECK(pool != nullptr); }
    ~Push() { g_thread_pool_free(pool, FALSE, TRUE); }
    void submit(Slot &slot, uint64_t x) {
        slot.begin(x);
        CHECK(g_thread_pool_push(pool, &slot, nullptr));
    }
    uint64_t collect(Slot &slot) { return slot.wait(); }
};

int main(int argc, char **argv) {
    if (!is_mode(argc, argv, "push")) die("MODE is push");
    Push peer;
    measure(peer, argc, argv);
    return 0;
}
