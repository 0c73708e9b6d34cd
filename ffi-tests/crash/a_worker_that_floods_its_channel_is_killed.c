/* A task that writes to its worker's channel costs its own worker, and nothing else: what no worker
 * says at that time ends the worker at once, and a flood of it neither fills the parent's memory nor
 * keeps it from other work.
 *
 * A message is a packet: the number of its kind (Ready is 1, StartFailed 2, ResultFile 3, Initializing
 * 4, Finalizing 5, HookFailed 6, Exiting 7), then its fields; numbers in groups of 7 bits, the lowest
 * first, with the highest bit set in all but the last. */
#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { FILE_LEN = 4096, MESSAGES_MAX = 300000 };

enum attack {
    READY_AGAIN,
    FILES_OF_ITS_OWN_TASK,
    FILES_OF_TASKS_THAT_NEVER_WERE,
    FILES_OF_ANOTHER_TASK,
    START_FAILED,
    A_HOOK_BEGINS,
    A_HOOK_FAILED,
    ONE_EXIT_AFTER_THE_OTHER,
    AN_EXIT_OF_THE_SUPERVISORS,
    A_MESSAGE_OF_THE_SUPERVISORS,
    GARBAGE,
    LONG_GARBAGE,
    N_ATTACKS,
};

struct job {
    int attack;
    bool floods;
    char handle_path[256];
};

/* ---- in the worker ------------------------------------------------------------------------- */

static int own_channel(void) {
    for (int fd = 3; fd < 1024; fd++) {
        int type = 0;
        socklen_t len = sizeof type;
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET) return fd;
    }
    return -1;
}

/* With a descriptor, unless it is -1. False: the other end is closed. */
static bool send_packet(int channel, const void *bytes, size_t len, int fd) {
    struct iovec part = {(void *)bytes, len};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    return sendmsg(channel, &message, MSG_NOSIGNAL) >= 0;
}

static size_t put_number(uint8_t *bytes, uint64_t number) {
    size_t len = 0;
    for (; number > 0x7f; number >>= 7) bytes[len++] = (uint8_t)(number | 0x80);
    bytes[len++] = (uint8_t)number;
    return len;
}

static size_t result_file(uint8_t *bytes, uint32_t slot, uint32_t generation) {
    size_t len = 0;
    bytes[len++] = 3;
    len += put_number(bytes + len, slot);
    len += put_number(bytes + len, generation);
    return len + put_number(bytes + len, FILE_LEN);
}

static int sealed_file(void) {
    int fd = memfd_create("flood", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(fd >= 0);
    CHECK_EQUAL(ftruncate(fd, FILE_LEN), 0);
    CHECK_EQUAL(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
    return fd;
}

/* The handle of the task's future, which the submitter writes to a file: it has the slot and the
 * generation of the task. */
static uint64_t read_handle(const char *path) {
    uint64_t handle = 0;
    int fd;
    while ((fd = open(path, O_RDONLY)) < 0) pause_briefly();
    CHECK_EQUAL(read(fd, &handle, sizeof handle), sizeof handle);
    close(fd);
    return handle;
}

static int32_t attack_parent(pool_task_t *task) {
    size_t size;
    const struct job *job = (const struct job *)pool_task_args(task, &size);
    uint8_t bytes[4096];
    int channel = own_channel(), file = sealed_file();
    CHECK(channel >= 0);
    uint64_t handle = read_handle(job->handle_path);
    uint32_t slot = handle >> 16 & 0xffffff, generation = (uint32_t)(handle >> 40);
    for (uint32_t i = 0; i < (job->floods ? MESSAGES_MAX : 2); i++) {
        size_t len = 0;
        int fd = file;
        switch (job->attack) {
            case READY_AGAIN: bytes[len++] = 1; break;
            case FILES_OF_ITS_OWN_TASK: len = result_file(bytes, slot, generation); break;
            case FILES_OF_TASKS_THAT_NEVER_WERE:
                len = result_file(bytes, slot, (generation + 1 + i) & 0xffffff);
                break;
            case FILES_OF_ANOTHER_TASK: len = result_file(bytes, slot + 1 + i, generation); break;
            case START_FAILED:
                memcpy(bytes, (uint8_t[]){2, 1, 2, 3, 'w', 'h', 'y'}, len = 7);
                break;
            case A_HOOK_BEGINS: bytes[len++] = (uint8_t)(4 + i % 2); break;
            case A_HOOK_FAILED:
                memcpy(bytes, (uint8_t[]){6, (uint8_t)(i % 2), 2, 3, 'w', 'h', 'y'}, len = 7);
                break;
            case ONE_EXIT_AFTER_THE_OTHER: memcpy(bytes, (uint8_t[]){7, 1}, len = 2); break;
            case AN_EXIT_OF_THE_SUPERVISORS: memcpy(bytes, (uint8_t[]){7, 7}, len = 2); break;
            case A_MESSAGE_OF_THE_SUPERVISORS: memcpy(bytes, (uint8_t[]){12, 2}, len = 2); break;
            case GARBAGE: memset(bytes, (int)(0xe0 + i % 32), len = 1 + i % 64); break;
            default: memset(bytes, 0xff, len = sizeof bytes); break;
        }
        if (!send_packet(channel, bytes, len, fd)) break;
    }
    /* Killed by now, or soon. */
    for (;;) pause();
    return 0;
}

static int32_t answer(pool_task_t *task) {
    pool_task_return(task, "yes", 3);
    return 0;
}

/* ---- in the parent ------------------------------------------------------------------------- */

static void survive(pool_t *pool, int attack, bool floods) {
    struct job job = {.attack = attack, .floods = floods};
    future_t *future, *others[64];
    pool_error_t error;
    char result[8];
    size_t len;
    char path[300];
    snprintf(job.handle_path, sizeof job.handle_path, "%s/handle-%d-%d", getenv("TEST_TMP"), attack,
             floods);
    CHECK_OK(pool_submit(pool, attack_parent, &job, sizeof job, &future));
    snprintf(path, sizeof path, "%s.new", job.handle_path);
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    CHECK_EQUAL(fwrite(&future, sizeof future, 1, file), 1);
    fclose(file);
    CHECK_EQUAL(rename(path, job.handle_path), 0);

    /* Others work on meanwhile. */
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        CHECK_OK(pool_submit(pool, answer, NULL, 0, &others[i]));
    }
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        CHECK_OK(future_wait(others[i], POOL_FOREVER));
        future_free(others[i]);
    }
    CHECK_IS(future_wait(future, POOL_FOREVER), POOL_OK);
    CHECK_OK(future_error(future, &error));
    CHECK_IS(error.status, POOL_ERR_WORKER_LOST);
    CHECK_EQUAL(error.signal, SIGKILL);
    future_free(future);
    CHECK(shared_mappings() < 16);
    CHECK(count_entries("/proc/self/fd") < 64);
    CHECK_OK(pool_run(pool, answer, NULL, 0, POOL_FOREVER, result, sizeof result, &len));
    CHECK_EQUAL(len, 3);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS) exit(SKIPPED); /* Only a process has memory of its own. */
    pool_t *pool = new_pool(&options, 2);
    for (int attack = 0; attack < N_ATTACKS; attack++) {
        survive(pool, attack, false);
        survive(pool, attack, true);
    }
    pool_free(pool);
    return leaves_nothing_behind();
}
