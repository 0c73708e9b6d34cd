/* How many bytes per second go through a pool and back, one task after the other?
 *
 *     payload process|thread copied|copied_out|in_place|ends_only BYTES MILLISECONDS
 *
 * copied: the pool copies the caller's bytes in, the task returns a copy of them, and the caller reads the
 * result in the pool's memory. copied_out: the result is copied once more, into the caller's memory.
 * in_place: the caller writes its bytes where the worker reads them, the task copies them into the buffer of
 * its result, and the caller reads them there. ends_only: as in_place, but both sides write and read only
 * 8 bytes at each end, so that only the pool's part is measured. */
#include "bench.h"

enum { WARM_UP = 3 };

static int32_t echo(pool_task_t *task) {
    size_t len;
    const void *args = pool_task_args(task, &len);
    return pool_task_return(task, args, len);
}

static int32_t echo_in_place(pool_task_t *task) {
    size_t len;
    const void *args = pool_task_args(task, &len);
    void *result = pool_task_result(task, len);
    if (result == NULL) return pool_task_fail(task, 1, "no memory for the result");
    memcpy(result, args, len);
    return 0;
}

/* The first 8 bytes and the last 8, which may be the same. */
static int32_t echo_ends(pool_task_t *task) {
    size_t len;
    const char *args = pool_task_args(task, &len);
    char *result = pool_task_result(task, len);
    if (result == NULL) return pool_task_fail(task, 1, "no memory for the result");
    memcpy(result, args, 8);
    memcpy(result + len - 8, args + len - 8, 8);
    return 0;
}

/* The bytes differ in each round and are checked in each page, so that a stale result is not accepted. */
static void check(const unsigned char *bytes, size_t len, unsigned char round) {
    for (size_t i = 0; i < len; i += 4096) CHECK(bytes[i] == round);
    CHECK(bytes[len - 1] == round);
}

static void mark(unsigned char *bytes, size_t len, unsigned char round) {
    for (size_t i = 0; i < len; i += 4096) bytes[i] = round;
    bytes[len - 1] = round;
}

struct job {
    pool_t *pool;
    unsigned char *out, *back;
    size_t len;
};

typedef void (*trip_fn)(struct job *, unsigned char);

static void trip_copied(struct job *job, unsigned char round) {
    future_t *future;
    mark(job->out, job->len, round);
    CHECK_OK(pool_submit(job->pool, echo, job->out, job->len, &future));
    check(collect(future, job->len), job->len, round);
    future_free(future);
}

static void trip_copied_out(struct job *job, unsigned char round) {
    size_t got;
    mark(job->out, job->len, round);
    CHECK_OK(pool_run(job->pool, echo, job->out, job->len, POOL_FOREVER, job->back, job->len, &got));
    CHECK(got == job->len);
    check(job->back, job->len, round);
}

static void trip_in_place(struct job *job, unsigned char round) {
    pool_call_t call = POOL_CALL_INIT;
    void *out;
    future_t *future;
    call.task.pointer = echo_in_place;
    CHECK_OK(pool_buffer_new(job->pool, job->len, &call.buffer, &out));
    memset(out, round, job->len);
    CHECK_OK(pool_submit_call(job->pool, &call, &future));
    check(collect(future, job->len), job->len, round);
    future_free(future);
}

static void trip_ends_only(struct job *job, unsigned char round) {
    pool_call_t call = POOL_CALL_INIT;
    void *out;
    future_t *future;
    call.task.pointer = echo_ends;
    CHECK_OK(pool_buffer_new(job->pool, job->len, &call.buffer, &out));
    memset(out, round, 8);
    memset((char *)out + job->len - 8, round, 8);
    CHECK_OK(pool_submit_call(job->pool, &call, &future));
    const unsigned char *back = collect(future, job->len);
    CHECK(back[0] == round && back[job->len - 1] == round);
    future_free(future);
}

static trip_fn trip_named(const char *name) {
    if (strcmp(name, "copied") == 0) return trip_copied;
    if (strcmp(name, "copied_out") == 0) return trip_copied_out;
    if (strcmp(name, "in_place") == 0) return trip_in_place;
    if (strcmp(name, "ends_only") == 0) return trip_ends_only;
    die("neither copied nor copied_out nor in_place nor ends_only: %s", name);
}

int main(int argc, char **argv) {
    if (argc != 5) die("usage: %s process|thread copied|copied_out|in_place|ends_only BYTES MILLISECONDS", argv[0]);
    trip_fn trip = trip_named(argv[2]);
    size_t len = number(argv[3]);
    uint64_t budget_ns = number(argv[4]) * 1000000, trips = 0;
    struct job job = {new_pool(argv[1], 1), new_touched(len), new_touched(len), len};

    for (unsigned char i = 0; i < WARM_UP; i++) trip(&job, 255 - i);
    struct span span = span_begin();
    for (; trips == 0 || now_ns() - span.wall_ns < budget_ns; trips++) {
        trip(&job, (unsigned char)trips);
    }
    span_end(&span);
    printf("{\"bytes\": %zu, \"trips\": %" PRIu64 ", \"trip_ns\": %.1f, \"cpu_ns\": %.1f}\n", len,
           trips, (double)span.wall_ns / (double)trips, cpu_each_ns(&span, trips));
    pool_free(job.pool);
    return 0;
}
