/* While workers are killed every 20 ms, stopped and continued, and the program forks: every future ends (lost 0), a
 * task without retries runs at most once and one with retries at most once more than these (doubled 0), and every
 * result is right (wrong 0). ENDURANCE_SECONDS sets how long. */
#include "endurance.h"
#include <pthread.h>
#include <sys/wait.h>

enum {
    WORKERS = 4,
    SUBMITTERS = 2,
    WINDOW = 128,
    ARGS_MAX = 100000,
    RETRIES = 4,
    KILL_US = 20000,
    PIDS = WORD_FIRST,
    COUNTS = PIDS + WORKERS,
};

struct order {
    uint64_t seed;
    uint32_t count, result_size; /* the word that counts the runs, and how much is returned */
};

struct place {
    future_t *future;
    uint32_t retries, result_size;
    uint64_t checksum;
};

struct submitter {
    pthread_t thread;
    uint32_t number;
    uint64_t seed;
    struct place places[WINDOW];
};

static pool_t *pool;
static uint64_t end;
static _Atomic uint64_t submitted, completed, lost_with_worker, kills, stops, forks;

/* FNV-1a, eight bytes at a time; what is left over counts as bytes. */
static uint64_t checksum_of(const char *bytes, size_t len) {
    uint64_t sum = 0xcbf29ce484222325u, word;
    for (; len >= 8; bytes += 8, len -= 8) {
        memcpy(&word, bytes, 8);
        sum = (sum ^ word) * 0x100000001b3u;
    }
    for (; len; bytes++, len--) sum = (sum ^ (unsigned char)*bytes) * 0x100000001b3u;
    return sum;
}

static void fill(char *bytes, size_t len, uint64_t seed) {
    seed |= 1;
    for (; len >= 8; bytes += 8, len -= 8) {
        uint64_t word_of = next_random(&seed);
        memcpy(bytes, &word_of, 8);
    }
    memset(bytes, (int)(seed & 0xff), len);
}

/* The result follows from all bytes of the arguments. */
static int32_t work(pool_task_t *task) {
    struct order order;
    size_t len;
    const char *args = (const char *)pool_task_args(task, &len);
    memcpy(&order, args, sizeof order);
    atomic_fetch_add(word(order.count), 1);
    atomic_store(word(PIDS + pool_task_worker(task) % WORKERS), (uint32_t)getpid());
    char *result = (char *)pool_task_result(task, order.result_size);
    if (!result) return 1;
    fill(result, order.result_size, checksum_of(args, len));
    return 0;
}

static void submit(struct submitter *self, uint32_t index) {
    static _Thread_local char args[ARGS_MAX], result[400000];
    struct place *place = &self->places[index];
    uint64_t dice = next_random(&self->seed);
    struct order order = {dice, COUNTS + self->number * WINDOW + index, 8 + (uint32_t)(dice >> 40) % 64};
    size_t len = 16 + (dice >> 20) % 100;
    if (dice % 16 == 0) len = 16 + (dice >> 20) % 4096;
    if (dice % 257 == 0) len = 16 + (dice >> 20) % (ARGS_MAX - 16);
    if (dice % 67 == 0) order.result_size = (uint32_t)(dice >> 40) % 65536 + 1;
    if (dice % 521 == 0) order.result_size = 400000;
    fill(args, len, dice);
    memcpy(args, &order, sizeof order);
    place->retries = dice % 3 ? 0 : RETRIES;
    place->result_size = order.result_size;
    fill(result, order.result_size, checksum_of(args, len));
    place->checksum = checksum_of(result, order.result_size);
    atomic_store(word(order.count), 0);
    pool_call_t call = POOL_CALL_INIT;
    call.task.pointer = work;
    call.task.args = args;
    call.task.len = len;
    call.retries = place->retries;
    CHECK_OK(pool_submit_call(pool, &call, &place->future));
    atomic_fetch_add(&submitted, 1);
}

static void collect(struct submitter *self, uint32_t index) {
    struct place *place = &self->places[index];
    const void *data;
    size_t len;
    /* Far longer than any task: this one was lost. */
    CHECK_OK(future_wait(place->future, 60000));
    uint32_t runs = word_get(COUNTS + self->number * WINDOW + index);
    pool_status_t status = future_result(place->future, &data, &len);
    CHECK(runs <= place->retries + 1);
    if (status == POOL_OK) {
        CHECK(runs >= 1);
        CHECK_EQUAL(len, place->result_size);
        CHECK(checksum_of((const char *)data, len) == place->checksum);
        atomic_fetch_add(&completed, 1);
    } else {
        CHECK_IS(status, POOL_ERR_WORKER_LOST);
        CHECK_EQUAL(check_lost(place->future).signal, SIGKILL);
        atomic_fetch_add(&lost_with_worker, 1);
    }
    future_free(place->future);
}

static void *submit_and_collect(void *data) {
    struct submitter *self = (struct submitter *)data;
    for (uint32_t i = 0; i < WINDOW; i++) submit(self, i);
    for (uint32_t i = 0; now_ns() < end; i = (i + 1) % WINDOW) {
        collect(self, i);
        submit(self, i);
    }
    for (uint32_t i = 0; i < WINDOW; i++) collect(self, i);
    return NULL;
}

static void *kill_and_stop(void *data) {
    uint64_t seed = *(uint64_t *)data;
    for (uint32_t n = 1; now_ns() < end; n++) {
        pid_t pid = (pid_t)word_get(PIDS + random_below(&seed, WORKERS));
        if (is_living_worker(pid)) {
            if (n % 10 == 0) {
                kill(pid, SIGSTOP);
                atomic_fetch_add(&stops, 1);
                usleep(2000);
                if (is_living_worker(pid)) kill(pid, SIGCONT);
            } else if (kill(pid, SIGKILL) == 0) {
                atomic_fetch_add(&kills, 1);
            }
        }
        usleep(KILL_US);
    }
    return NULL;
}

/* The copies are refused, and change nothing. */
static void *fork_beside(void *unused) {
    (void)unused;
    while (now_ns() < end) {
        int status;
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            future_t *future;
            bool is_refused = pool_submit(pool, work, NULL, 0, &future) == POOL_ERR_WRONG_PROCESS;
            _exit(is_refused ? 0 : 1);
        }
        CHECK(waitpid(child, &status, 0) == child);
        CHECK_EQUAL(status, 0);
        atomic_fetch_add(&forks, 1);
        usleep(KILL_US);
    }
    return NULL;
}

int main(int argc, char **argv) {
    static struct submitter submitters[SUBMITTERS];
    pthread_t killer, forker;
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    uint64_t seed = endurance_seed() | 1, killers_seed = next_random(&seed);
    pool = new_pool(&options, WORKERS);
    end = now_ns() + endurance_ns(2);
    for (uint32_t i = 0; i < SUBMITTERS; i++) {
        submitters[i].number = i;
        submitters[i].seed = next_random(&seed);
        CHECK(pthread_create(&submitters[i].thread, NULL, submit_and_collect, &submitters[i]) == 0);
    }
    CHECK(pthread_create(&killer, NULL, kill_and_stop, &killers_seed) == 0);
    CHECK(pthread_create(&forker, NULL, fork_beside, NULL) == 0);
    while (!endurance_is_over(end, "%" PRIu64 " tasks, %" PRIu64 " kills, %" PRIu64 " stops, %" PRIu64 " forks",
                              submitted, kills, stops, forks)) {
        usleep(50000);
    }
    for (uint32_t i = 0; i < SUBMITTERS; i++) pthread_join(submitters[i].thread, NULL);
    pthread_join(killer, NULL);
    pthread_join(forker, NULL);
    printf("%" PRIu64 " tasks, %" PRIu64 " lost with their worker; %" PRIu64 " kills, %" PRIu64 " stops, %" PRIu64
           " forks\n",
           submitted, lost_with_worker, kills, stops, forks);
    CHECK_EQUAL(completed + lost_with_worker, submitted);
    CHECK(lost_with_worker <= kills);
    CHECK(kills > 0 && forks > 0);
    CHECK_OK(pool_check(pool, NULL));
    CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    pool_free(pool);
    return leaves_nothing_behind();
}
