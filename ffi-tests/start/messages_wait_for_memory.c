/* The kernel may have no memory for a message at the moment: sendmsg and recvmsg fail in the host, in what
 * workers are forked from, and in workers. What could not be sent or received is tried again, so that
 * workers start without a timeout.
 *
 * A filter of system calls lets a thread of this program decide about each of these calls. */
#include "processes.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

enum { FAILED_CALLS = WORD_FIRST, ROUNDS = 12 };

/* One of four calls fails, in an order that does not depend on what is called. */
static int32_t next_outcome(void) {
    static uint32_t random = 1;
    random = random * 1664525 + 1013904223;
    return random >> 30 == 0 ? -ENOBUFS : 0;
}

static void *decide(void *listener) {
    for (;;) {
        struct seccomp_notif call = {0};
        if (ioctl((int)(intptr_t)listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) continue;
        struct seccomp_notif_resp outcome = {.id = call.id, .error = next_outcome()};
        if (outcome.error == 0) outcome.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        else word_add(FAILED_CALLS, 1);
        ioctl((int)(intptr_t)listener, SECCOMP_IOCTL_NOTIF_SEND, &outcome);
    }
    return NULL;
}

/* For this thread, and the threads and processes that it starts. Skips the test if the kernel cannot do it. */
static void fail_some_messages(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendmsg, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_recvmsg, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {COUNT_OF(code), code};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    long listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                            &program);
    if (listener < 0) exit(SKIPPED);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, decide, (void *)(intptr_t)listener) == 0);
}

static void note(pool_log_level_t level, const char *message, void *user) {
    (void)level;
    (void)user;
    /* A message that is lost leaves somebody waiting until a timeout. */
    CHECK(!strstr(message, "start_timeout_ms"));
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) return SKIPPED;
    CHECK_EQUAL(word_get(FAILED_CALLS), 0);
    fail_some_messages();
    resources_at_start = resources_now();
    options.log = note;
    options.min_workers = 2;
    for (int round = 0; round < ROUNDS; round++) {
        pool_t *pool = new_pool(&options, 2);
        CHECK_OK(pool_wait_ready(pool, 2, POOL_FOREVER));
        CHECK_OK(pool_run(pool, warm_up, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
        CHECK_OK(pool_check(pool, NULL));
        pool_free(pool);
    }
    CHECK(word_get(FAILED_CALLS) >= ROUNDS);
    return leaves_nothing_behind();
}
