/* How many 8-byte messages can two processes exchange in a second at all?
 *
 *     small_tasks TASKS
 *
 * Two rings in shared memory, each with one writer and one reader, which look at each other's position
 * only when they have come to the end of what they know. No futures, nobody sleeps, nobody may die. */
#include "bench.h"
#include <stdatomic.h>

enum { SLOTS = 4096, BATCH = 64, PASSES = 5 };

struct ring {
    _Alignas(64) _Atomic uint64_t written;
    _Alignas(64) _Atomic uint64_t read;
    _Alignas(64) uint64_t slots[SLOTS];
};

static struct { struct ring there, back; } *rings;

static uint64_t filled_up_to(struct ring *ring) {
    return atomic_load_explicit(&ring->written, memory_order_acquire); /* pairs with publish */
}

static uint64_t room_up_to(struct ring *ring) {
    return atomic_load_explicit(&ring->read, memory_order_acquire) + SLOTS; /* pairs with give_back */
}

static void publish(struct ring *ring, uint64_t written) {
    atomic_store_explicit(&ring->written, written, memory_order_release);
}

static void give_back(struct ring *ring, uint64_t read) {
    atomic_store_explicit(&ring->read, read, memory_order_release);
}

/* The far end. What has been asked fits among the answers, because exchange sees to it. */
static void answer_for_ever(void) {
    for (uint64_t done = 0;;) {
        uint64_t end = filled_up_to(&rings->there);
        if (end == done) relax();
        while (done < end) {
            uint64_t stop = end - done < BATCH ? end : done + BATCH;
            for (; done < stop; done++) {
                rings->back.slots[done % SLOTS] = rings->there.slots[done % SLOTS] * 2 + 1;
            }
            publish(&rings->back, done);
            give_back(&rings->there, done);
        }
    }
}

static void exchange(uint64_t from, uint64_t to) {
    for (uint64_t asked = from, heard = from; heard < to;) {
        uint64_t limit = room_up_to(&rings->there);
        /* Nor more in flight than answers have room for. */
        if (limit > heard + SLOTS) limit = heard + SLOTS;
        if (limit > asked + BATCH) limit = asked + BATCH;
        if (limit > to) limit = to;
        for (; asked < limit; asked++) rings->there.slots[asked % SLOTS] = asked;
        publish(&rings->there, asked);

        uint64_t end = filled_up_to(&rings->back);
        if (end == heard) relax();
        for (; heard < end; heard++) CHECK(rings->back.slots[heard % SLOTS] == heard * 2 + 1);
    }
}

int main(int argc, char **argv) {
    if (argc != 2) die("usage: %s TASKS", argv[0]);
    uint64_t tasks = number(argv[1]), warm_ns[PASSES], done = tasks;
    int here = nth_cpu(0), there = nth_cpu(1);
    if (there < 0) skip("one CPU only");
    rings = new_shared(sizeof *rings);
    pid_t peer = fork_peer();
    pin(peer == 0 ? there : here);
    if (peer == 0) answer_for_ever();

    exchange(0, done);
    struct span all = span_begin();
    for (int i = 0; i < PASSES; i++, done += tasks) {
        uint64_t then_ns = now_ns();
        exchange(done, done + tasks);
        warm_ns[i] = now_ns() - then_ns;
    }
    span_end(&all);
    printf("{\"tasks\": %" PRIu64 ", \"warm_ns\": %.2f, \"cpu_ns\": %.2f}\n", tasks,
           (double)percentile(warm_ns, PASSES, 50) / (double)tasks,
           cpu_each_ns(&all, tasks * PASSES));
    kill(peer, SIGKILL);
    waitpid(peer, NULL, 0);
    return 0;
}
