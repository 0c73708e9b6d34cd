/* How many 8-byte messages per second can two processes exchange at most?
 *
 *     small_tasks TASKS
 *
 * Two rings in shared memory, each with one writer and one reader, which read each other's position only
 * when they have used up the range they know. No futures, no sleeping, no recovery when a process dies. */
#include "bench.h"
#include <stdatomic.h>

enum { SLOTS = 4096, BATCH = 64, PASSES = 5 };

struct ring {
    _Alignas(64) _Atomic uint64_t written;
    _Alignas(64) _Atomic uint64_t read;
    _Alignas(64) uint64_t slots[SLOTS];
};

static struct { struct ring there, back; } *rings;

static uint64_t readable_end(struct ring *ring) {
    return atomic_load_explicit(&ring->written, memory_order_acquire); /* pairs with publish */
}

static uint64_t writable_end(struct ring *ring) {
    return atomic_load_explicit(&ring->read, memory_order_acquire) + SLOTS; /* pairs with free_slots */
}

static void publish(struct ring *ring, uint64_t written) {
    atomic_store_explicit(&ring->written, written, memory_order_release);
}

static void free_slots(struct ring *ring, uint64_t read) {
    atomic_store_explicit(&ring->read, read, memory_order_release);
}

/* The other process. The replies always fit into their ring, because exchange limits the requests. */
static void reply_forever(void) {
    for (uint64_t done = 0;;) {
        uint64_t end = readable_end(&rings->there);
        if (end == done) relax();
        while (done < end) {
            uint64_t stop = end - done < BATCH ? end : done + BATCH;
            for (; done < stop; done++) {
                rings->back.slots[done % SLOTS] = rings->there.slots[done % SLOTS] * 2 + 1;
            }
            publish(&rings->back, done);
            free_slots(&rings->there, done);
        }
    }
}

static void exchange(uint64_t from, uint64_t to) {
    for (uint64_t sent = from, received = from; received < to;) {
        uint64_t limit = writable_end(&rings->there);
        /* No more in flight than the ring of the replies can hold. */
        if (limit > received + SLOTS) limit = received + SLOTS;
        if (limit > sent + BATCH) limit = sent + BATCH;
        if (limit > to) limit = to;
        for (; sent < limit; sent++) rings->there.slots[sent % SLOTS] = sent;
        publish(&rings->there, sent);

        uint64_t end = readable_end(&rings->back);
        if (end == received) relax();
        for (; received < end; received++) CHECK(rings->back.slots[received % SLOTS] == received * 2 + 1);
    }
}

int main(int argc, char **argv) {
    if (argc != 2) die("usage: %s TASKS", argv[0]);
    uint64_t tasks = number(argv[1]), warm_ns[PASSES], done = tasks;
    int here = nth_cpu(0), there = nth_cpu(1);
    if (there < 0) skip("needs two CPUs");
    rings = new_shared(sizeof *rings);
    pid_t peer = fork_peer();
    pin(peer == 0 ? there : here);
    if (peer == 0) reply_forever();

    exchange(0, done);
    struct span all = span_begin();
    for (int i = 0; i < PASSES; i++, done += tasks) {
        uint64_t begin_ns = now_ns();
        exchange(done, done + tasks);
        warm_ns[i] = now_ns() - begin_ns;
    }
    span_end(&all);
    printf("{\"tasks\": %" PRIu64 ", \"warm_ns\": %.2f, \"cpu_ns\": %.2f}\n", tasks,
           (double)percentile(warm_ns, PASSES, 50) / (double)tasks,
           cpu_each_ns(&all, tasks * PASSES));
    kill(peer, SIGKILL);
    waitpid(peer, NULL, 0);
    return 0;
}
