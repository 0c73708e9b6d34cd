/* Any system call that the library makes may fail once, in the program, a server or a worker, for want of memory or
 * descriptors, or because of a signal: the call of the library returns an error or succeeds, every future ends, nothing
 * is left behind, and a new pool works. That also holds where a system call is refused for ever. Each case runs in a process of its own. ENDURANCE_SECONDS sets for how long
 * cases are tried, in an order of their own for each seed; ENDURANCE_CASE="new host mmap 3 ENOMEM" runs one. */
#include "endurance.h"
#include "system_calls.h"
#include <sys/wait.h>

enum { NEW, SUBMIT, RESULT, DEATH, RESIZE, END, PHASES, BEFORE = PHASES, AFTER, OCCURRENCES = 5, RUN_S = 20, BIG = 300000 };
enum { HOST, OTHERS, WHO };
enum { STATUSES = SYSTEM_CALLS_FIRST, TASKS = 4 };

static const char *const phases[] = {"new", "submit", "result", "death", "resize", "end", "always"};
static const char *const whose[] = {"host", "others", "all"};

/* ---- the program ---------------------------------------------------------------------------------- */

static int32_t return_much(pool_task_t *task) {
    unsigned char *result = (unsigned char *)pool_task_result(task, BIG);
    if (result) memset(result, 7, BIG);
    return result == NULL;
}

static int32_t die(pool_task_t *task) {
    (void)task;
    return raise(SIGKILL);
}

/* What a call of a phase has returned, for the tester: the first that is not POOL_OK. */
static void note(int phase, pool_status_t status) {
    CHECK(status >= POOL_OK && strcmp(pool_status_name(status), "") != 0);
    if (status != POOL_OK && word_get(STATUSES + phase) == 0) atomic_store(word(STATUSES + phase), (uint32_t)status);
}

static void check_result(int phase, future_t *future, uint64_t square_of) {
    const void *data = NULL;
    size_t len = 0;
    if (!future) return;
    pool_status_t status = future_collect(future, POOL_FOREVER, &data, &len);
    note(phase, status);
    if (status == POOL_OK && square_of) {
        uint64_t number;
        CHECK_EQUAL(len, sizeof number);
        memcpy(&number, data, sizeof number);
        CHECK_EQUAL(number, square_of * square_of);
    } else if (status == POOL_OK) {
        CHECK_EQUAL(len, BIG);
        CHECK(((const char *)data)[0] == 7 && ((const char *)data)[BIG - 1] == 7);
    }
    CHECK(future_is_done(future));
    future_free(future);
}

static void use(pool_t *pool, bool crashes) {
    future_t *futures[TASKS] = {NULL}, *lost = NULL;
    mark(SUBMIT);
    for (uint64_t i = 0; i < TASKS; i++) {
        uint64_t number = i + 1;
        note(SUBMIT, pool_submit(pool, i == 2 ? return_much : square, &number, sizeof number, &futures[i]));
    }
    mark(RESULT);
    for (uint64_t i = 0; i < TASKS; i++) check_result(RESULT, futures[i], i == 2 ? 0 : i + 1);
    mark(DEATH);
    uint64_t number = 12, result = 0;
    if (crashes && pool_submit(pool, die, NULL, 0, &lost) == POOL_OK) {
        CHECK_OK(future_wait(lost, POOL_FOREVER));
        CHECK(future_result(lost, NULL, NULL) != POOL_OK);
        future_free(lost);
    }
    pool_status_t status = pool_run(pool, square, &number, sizeof number, POOL_FOREVER, &result, sizeof result, NULL);
    note(DEATH, status);
    CHECK(status != POOL_OK || result == 144);
    mark(RESIZE);
    note(RESIZE, pool_resize(pool, 3, POOL_FOREVER));
    note(RESIZE, pool_spawn_max_workers(pool, NULL));
    note(RESIZE, pool_resize(pool, 1, POOL_FOREVER));
    note(RESIZE, pool_wait_idle(pool, POOL_FOREVER));
}

static int live(pool_options_t *options, int only) {
    pool_t *pool = NULL;
    pool_error_t error;
    options->max_workers = 2;
    let_calls_be_decided(only);
    mark(NEW);
    pool_status_t status = pool_new(options, &pool, &error);
    note(NEW, status);
    CHECK((pool != NULL) == (status == POOL_OK));
    CHECK(status == POOL_OK || error.message[0] != 0);
    if (pool) {
        use(pool, options->kind == POOL_PROCESS);
        mark(END);
        note(END, pool_shutdown(pool, POOL_STOP_DRAIN, POOL_FOREVER));
        pool_free(pool);
    }
    mark(AFTER);
    pool = new_pool(options, 2);
    uint64_t number = 3, result = 0;
    CHECK_OK(pool_run(pool, square, &number, sizeof number, POOL_FOREVER, &result, sizeof result, NULL));
    CHECK_EQUAL(result, 9);
    pool_free(pool);
    return leaves_nothing_behind();
}

/* ---- the tester ----------------------------------------------------------------------------------- */

/* The n-th time in a phase; or each time in all of them, for PHASES, WHO and 0. */
struct fault {
    int phase, who, call, n, errno_;
};

enum { RECORDINGS = 3 };
static uint32_t counted[PHASES][WHO][CALLS], most[PHASES][WHO][CALLS]; /* in this run; in any */
static char *const *arguments; /* of this program: itself and the kind */

static const char *name_of_errno(int number) {
    return number == ENOMEM ? "ENOMEM" : number == EMFILE ? "EMFILE" : number == EAGAIN ? "EAGAIN" :
           number == EPERM ? "EPERM" : number == ENOSYS ? "ENOSYS" : "EINTR";
}

static const char *text_of_fault(const struct fault *fault) {
    static char text[128];
    snprintf(text, sizeof text, "%s %s %s %d %s", phases[fault->phase], whose[fault->who],
             calls_that_fail[fault->call].name, fault->n, name_of_errno(fault->errno_));
    return text;
}

/* Kills what is left of a run, and says where it stood. */
static void clear_away(const char *why) {
    pid_t pids[256];
    int n = processes_of_this_test(pids, COUNT_OF(pids));
    for (int i = 0; i < n; i++) {
        char command[256];
        fprintf(stderr, "%s: process %d\n", why, (int)pids[i]);
        snprintf(command, sizeof command, "cd /proc/%d/task && head -qn 1 */comm */wchan */syscall >&2; echo >&2", (int)pids[i]);
        if (system(command) != 0) fprintf(stderr, "(it has ended)\n");
        kill_and_wait(pids[i]);
    }
}

/* Answers what a listener has to say. `fault` NULL: counts instead. */
static void answer(int listener, pid_t pid, const struct fault *fault, int *phase, uint32_t *occurrences) {
    struct seccomp_notif asked = {0};
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) != 0) return;
    pid_t thread = (pid_t)asked.pid;
    if (asked.data.nr == SYS_prctl) {
        *phase = (int)asked.data.args[1];
        struct seccomp_notif_resp done = {.id = asked.id};
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &done);
        return;
    }
    int call = place_of_call(asked.data.nr);
    bool can_fail = call >= 0 && (!calls_that_fail[call].can_fail || calls_that_fail[call].can_fail(&asked.data, fault ? fault->errno_ : 0));
    bool is_meant = can_fail && *phase < PHASES && (!fault || fault->phase == PHASES || *phase == fault->phase);
    int who = is_meant && is_thread_of(thread, pid) ? HOST : OTHERS;
    if (is_meant && !fault) counted[*phase][who][call]++;
    bool is_counted = is_meant && fault && (fault->who == WHO || fault->who == who);
    bool fails = is_counted && (++*occurrences == (uint32_t)fault->n || fault->n == 0);
    decide(listener, asked.id, fails ? fault->errno_ : 0);
}

/* Whether the program has passed, and has left no process: then nobody has the filter any more. Counts in `happened`
 * whether the call was made. */
static bool run(const struct fault *fault, size_t *happened) {
    char only[16];
    int status = 0, phase = BEFORE;
    uint32_t occurrences = 0;
    atomic_store(word(LISTENER), 0);
    atomic_store(word(LISTENER_TAKEN), 0);
    for (int i = 0; i < PHASES; i++) atomic_store(word(STATUSES + i), 0);
    snprintf(only, sizeof only, "%d", fault ? fault->call : -1);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        execl("/proc/self/exe", arguments[0], arguments[1], only, (char *)NULL);
        _exit(127);
    }
    int listener = take_listener(pid);
    bool ended = false, all_ended = listener < 0;
    for (uint64_t end = now_ns() + RUN_S * 1000000000ull; !(ended && all_ended) && now_ns() < end;) {
        struct pollfd ready = {listener, POLLIN, 0};
        if (!all_ended && poll(&ready, 1, 5) > 0 && ready.revents & POLLIN) answer(listener, pid, fault, &phase, &occurrences);
        all_ended = all_ended || (ready.revents & POLLHUP);
        if (!ended && waitpid(pid, &status, WNOHANG) == pid) {
            ended = true;
            if (now_ns() + 2000000000u < end) end = now_ns() + 2000000000u;
        }
        if (all_ended && !ended) pause_briefly();
    }
    if (!ended || !all_ended) clear_away(ended ? "left behind" : "hangs");
    if (!ended) waitpid(pid, &status, 0);
    if (listener >= 0) close(listener);
    if (ended && status != 0) fprintf(stderr, "%s: status %#x\n", fault ? text_of_fault(fault) : "no fault", (unsigned)status);
    if (fault) *happened += occurrences > 0 && occurrences >= (uint32_t)fault->n;
    return ended && all_ended && status == 0;
}

/* Counts the calls of a few runs without a fault: threads and processes run in another order each time. */
static void record(void) {
    for (int recording = 0; recording < RECORDINGS; recording++) {
        memset(counted, 0, sizeof counted);
        CHECK(run(NULL, NULL));
        uint32_t *counts = &counted[0][0][0], *highest = &most[0][0][0];
        for (size_t i = 0; i < PHASES * WHO * CALLS; i++) highest[i] = counts[i] > highest[i] ? counts[i] : highest[i];
    }
}

static size_t all_faults(struct fault *faults, size_t room) {
    size_t n = 0;
    for (int phase = 0; phase < PHASES; phase++) {
        for (int who = 0; who < WHO; who++) {
            for (int call = 0; call < CALLS; call++) {
                uint32_t tried = most[phase][who][call] < OCCURRENCES ? most[phase][who][call] : OCCURRENCES;
                for (uint32_t each = 0; each < tried * COUNT_OF(calls_that_fail[call].errnos); each++) {
                    int errno_ = calls_that_fail[call].errnos[each % COUNT_OF(calls_that_fail[call].errnos)];
                    struct fault fault = {phase, who, call, (int)(each / COUNT_OF(calls_that_fail[call].errnos)) + 1, errno_};
                    CHECK(n < room);
                    if (errno_) faults[n++] = fault;
                }
            }
        }
    }
    for (size_t i = 0; i < 2 * COUNT_OF(calls_that_are_refused); i++) {
        int call = place_of_name(calls_that_are_refused[i / 2]);
        struct fault fault = {PHASES, WHO, call, 0, i % 2 ? EPERM : ENOSYS};
        if (call >= 0) faults[n++] = fault;
    }
    CHECK(n < room);
    return n;
}

static void shuffle(struct fault *faults, size_t n, uint64_t *seed) {
    for (size_t i = n; i > 1; i--) {
        size_t other = random_below(seed, i);
        struct fault fault = faults[other];
        faults[other] = faults[i - 1];
        faults[i - 1] = fault;
    }
}

static void tell_outcome(const struct fault *fault) {
    if (!getenv("ENDURANCE_TELL")) return;
    printf("%s:", text_of_fault(fault));
    for (int i = 0; i < PHASES; i++) printf(" %s", pool_status_name((pool_status_t)word_get(STATUSES + i)));
    printf("\n");
}

int main(int argc, char **argv) {
    static struct fault faults[PHASES * WHO * CALLS * OCCURRENCES * 4];
    pool_options_t options = test_begin(argc, argv);
    word(0);
    if (argc > 2) return live(&options, atoi(argv[2]));
    arguments = argv;
    uint64_t seed = endurance_seed() | 1, end = now_ns() + endurance_ns(options.kind == POOL_PROCESS ? 5 : 1);
    record();
    size_t n = all_faults(faults, COUNT_OF(faults)), tried = 0, happened = 0, failed = 0;
    shuffle(faults, n, &seed);
    const char *wanted = getenv("ENDURANCE_CASE");
    for (size_t i = 0; i < n; i++) {
        if (wanted && strcmp(wanted, text_of_fault(&faults[i])) != 0) continue;
        if (!wanted && endurance_is_over(end, "%zu of %zu faults, %zu failed", i, n, failed)) break;
        tried++;
        if (!run(&faults[i], &happened)) {
            fprintf(stderr, "FAILED: ENDURANCE_CASE=\"%s\"\n", text_of_fault(&faults[i]));
            failed++;
        }
        tell_outcome(&faults[i]);
    }
    printf("%zu of %zu faults tried, %zu happened, %zu failed\n", tried, n, happened, failed);
    CHECK_EQUAL(failed, 0);
    return leaves_nothing_behind();
}
