/* How long does the round trip of one task take, with no other task in flight?
 *
 *     round_trip process|thread WORKERS TRIPS PAUSES */
#include "bench.h"
#include "trips.h"

static int32_t twice_plus_one(pool_task_t *task) {
    uint64_t x;
    memcpy(&x, pool_task_args(task, NULL), sizeof x);
    x = x * 2 + 1;
    return pool_task_return(task, &x, sizeof x);
}

static void round_trip(uint64_t x, void *pool) {
    future_t *future;
    CHECK_OK(pool_submit(pool, twice_plus_one, &x, sizeof x, &future));
    uint64_t answer;
    memcpy(&answer, collect(future, sizeof answer), sizeof answer);
    CHECK(answer == x * 2 + 1);
    future_free(future);
}

int main(int argc, char **argv) {
    if (argc != 5) die("usage: %s process|thread WORKERS TRIPS PAUSES", argv[0]);
    pool_t *pool = new_pool(argv[1], (uint32_t)number(argv[2]));
    measure_trips(round_trip, pool, number(argv[3]), number(argv[4]));
    pool_free(pool);
    return 0;
}
