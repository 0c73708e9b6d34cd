/* A task that makes the arguments of queued tasks longer than any memory does not end the program when these tasks
 * are cancelled and listed. */
#include "processes.h"

enum { QUEUED = 20, LEN = 70001, PAGES_MAX = 1 << 14, QUEUED_ALL = WORD_FIRST };

static const uint64_t far_too_much = (uint64_t)1 << 36;

/* In each word of the shared memory that is the length of the arguments. Result: how many there are. */
static int32_t change_lengths(pool_task_t *task) {
    char line[4096];
    unsigned long start = 0, end = 0;
    uint32_t changed = 0;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), seen = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    CHECK(maps != NULL);
    word_wait(QUEUED_ALL, 1);
    while (fgets(line, sizeof line, maps)) {
        if (!strstr(line, "memfd:carpool") || sscanf(line, "%lx-%lx", &start, &end) != 2) continue;
        for (size_t at = start; at < end && at - start < (size_t)1 << 32; at += page) {
            unsigned char resident;
            if (mincore((void *)at, page, &resident) != 0 || !(resident & 1) || ++seen > PAGES_MAX) continue;
            for (uint64_t *word_at = (uint64_t *)at; word_at < (uint64_t *)(at + page); word_at++) {
                if (*word_at == LEN) *word_at += far_too_much, changed++;
            }
        }
    }
    fclose(maps);
    word_add(gate_started(0), 1);
    word_wait(gate_open(0), 1);
    return pool_task_return(task, &changed, sizeof changed);
}

int main(int argc, char **argv) {
    static char args[LEN];
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS || options.isolation == POOL_ISOLATED) return SKIPPED;
    pool_t *pool = new_pool(&options, 1);
    future_t *changing, *queued[QUEUED];
    CHECK_OK(pool_submit(pool, change_lengths, NULL, 0, &changing));
    for (int i = 0; i < QUEUED; i++) CHECK_OK(pool_submit(pool, warm_up, args, LEN, &queued[i]));
    word_set(QUEUED_ALL, 1);
    word_wait(gate_started(0), 1);
    CHECK_IS(pool_shutdown(pool, POOL_STOP_CANCEL, 0), POOL_ERR_TIMEOUT); /* a task is running */
    while (pool_count_pending_tasks(pool)) pause_briefly();
    release(0);
    uint32_t changed;
    const void *data;
    CHECK_OK(future_collect(changing, POOL_FOREVER, &data, NULL));
    memcpy(&changed, data, sizeof changed);
    CHECK(changed >= QUEUED);
    pool_status_t ended = pool_shutdown(pool, POOL_STOP_CANCEL, POOL_FOREVER);
    CHECK(ended == POOL_OK || ended == POOL_ERR_CLOSED); /* it may be over */
    CHECK_EQUAL(pool_cancelled_count(pool), QUEUED);
    for (size_t i = 0; i < QUEUED; i++) {
        pool_cancelled_t cancelled = {.struct_size = sizeof cancelled};
        CHECK_OK(pool_cancelled_task(pool, i, &cancelled));
        CHECK(cancelled.task.len == 0 || cancelled.task.len == LEN);
    }
    for (int i = 0; i < QUEUED; i++) {
        CHECK_OK(future_wait(queued[i], POOL_FOREVER));
        future_free(queued[i]);
    }
    future_free(changing);
    pool_free(pool);
    return leaves_nothing_behind();
}
