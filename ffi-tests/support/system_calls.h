/* System calls of another process that fail when this one says so: a filter of the other process hands them to this
 * one (seccomp_unotify(2)), which lets each happen, or makes it fail without happening. All that the other process
 * starts has the filter too. It needs no tracer, so nothing else about the processes differs. */
#ifndef SYSTEM_CALLS_H
#define SYSTEM_CALLS_H

#include "processes.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

/* The option of a prctl(2) that does nothing but tell what the process does next: its second argument. */
#define MARK 0x63617270

/* Where the two processes hand over the listener: the number of the descriptor and 1; and that it was taken. */
enum { LISTENER = WORD_FIRST, LISTENER_TAKEN = WORD_FIRST + 1, SYSTEM_CALLS_FIRST = WORD_FIRST + 2 };

/* ---- which calls can fail, and how ---------------------------------------------------------------- */

struct call {
    long number;
    const char *name;
    int errnos[4];
    bool (*can_fail)(const struct seccomp_data *call, int with); /* NULL: in each form */
};

static inline bool is_futex_wait(const struct seccomp_data *call, int with) {
    (void)with;
    int operation = (int)call->args[1] & FUTEX_CMD_MASK;
    return operation == FUTEX_WAIT || operation == FUTEX_WAIT_BITSET;
}

static inline bool makes_a_descriptor(const struct seccomp_data *call, int with) {
    (void)with;
    return call->args[1] == F_DUPFD || call->args[1] == F_DUPFD_CLOEXEC;
}

/* Whoever is removed or changed needs no memory. */
static inline bool adds_to_epoll(const struct seccomp_data *call, int with) {
    (void)with;
    return call->args[1] == 1; /* EPOLL_CTL_ADD */
}

/* An open may wait for a device or a pipe; and a signal ends what waits for a file system that is slow. */
#define OPENS {EMFILE, ENOMEM, EINTR}

static const struct call calls_that_fail[] = {
    {SYS_brk, "brk", {ENOMEM}, NULL},
    {SYS_mmap, "mmap", {ENOMEM, EAGAIN}, NULL},
    {SYS_mprotect, "mprotect", {ENOMEM}, NULL},
    {SYS_mremap, "mremap", {ENOMEM}, NULL},
    {SYS_madvise, "madvise", {ENOMEM, EAGAIN}, NULL},
    {SYS_mlock, "mlock", {ENOMEM, EAGAIN}, NULL},
    {SYS_memfd_create, "memfd_create", {ENOMEM, EMFILE}, NULL},
    {SYS_ftruncate, "ftruncate", {ENOMEM, EINTR}, NULL},
    {SYS_fallocate, "fallocate", {ENOMEM, EINTR}, NULL},
    {SYS_socketpair, "socketpair", {ENOMEM, EMFILE}, NULL},
    {SYS_epoll_create1, "epoll_create1", {ENOMEM, EMFILE}, NULL},
    {SYS_epoll_ctl, "epoll_ctl", {ENOMEM}, adds_to_epoll},
    {SYS_timerfd_create, "timerfd_create", {ENOMEM, EMFILE}, NULL},
    {SYS_pidfd_open, "pidfd_open", {ENOMEM, EMFILE}, NULL},
    {SYS_pipe2, "pipe2", {ENOMEM, EMFILE}, NULL},
    {SYS_dup, "dup", {EMFILE}, NULL},
    {SYS_dup3, "dup3", {EINTR, EMFILE}, NULL},
    {SYS_fcntl, "fcntl", {EMFILE}, makes_a_descriptor},
    {SYS_openat, "openat", OPENS, NULL},
#ifdef SYS_open
    {SYS_open, "open", OPENS, NULL},
#endif
    {SYS_read, "read", {EINTR, ENOMEM}, NULL},
    {SYS_pread64, "pread64", {EINTR, ENOMEM}, NULL},
    {SYS_write, "write", {EINTR, ENOMEM}, NULL},
    {SYS_writev, "writev", {EINTR, ENOMEM}, NULL},
    {SYS_sendmsg, "sendmsg", {EINTR, ENOMEM, EAGAIN}, NULL},
    {SYS_sendto, "sendto", {EINTR, ENOMEM, EAGAIN}, NULL},
    {SYS_recvmsg, "recvmsg", {EINTR, ENOMEM, EAGAIN}, NULL},
    {SYS_recvfrom, "recvfrom", {EINTR, ENOMEM, EAGAIN}, NULL},
    {SYS_ppoll, "ppoll", {EINTR, ENOMEM}, NULL},
#ifdef SYS_poll
    {SYS_poll, "poll", {EINTR, ENOMEM}, NULL},
#endif
    {SYS_epoll_pwait, "epoll_pwait", {EINTR}, NULL},
#ifdef SYS_epoll_wait
    {SYS_epoll_wait, "epoll_wait", {EINTR}, NULL},
#endif
    {SYS_futex, "futex", {EINTR, EAGAIN}, is_futex_wait},
#ifdef SYS_futex_waitv
    {SYS_futex_waitv, "futex_waitv", {EINTR, EAGAIN, ENOMEM}, NULL},
#endif
    {SYS_nanosleep, "nanosleep", {EINTR}, NULL},
    {SYS_clock_nanosleep, "clock_nanosleep", {EINTR}, NULL},
    {SYS_clone, "clone", {EAGAIN, ENOMEM}, NULL},
    {SYS_clone3, "clone3", {EAGAIN, ENOMEM}, NULL},
#ifdef SYS_fork
    {SYS_fork, "fork", {EAGAIN, ENOMEM}, NULL},
    {SYS_vfork, "vfork", {EAGAIN, ENOMEM}, NULL},
#endif
    {SYS_execve, "execve", {EAGAIN, ENOMEM, EMFILE}, NULL},
    {SYS_execveat, "execveat", {EAGAIN, ENOMEM, EMFILE}, NULL},
    {SYS_wait4, "wait4", {EINTR}, NULL},
    {SYS_waitid, "waitid", {EINTR}, NULL},
    {SYS_getrandom, "getrandom", {EINTR}, NULL},
    {SYS_newfstatat, "newfstatat", {ENOMEM}, NULL},
    {SYS_statx, "statx", {ENOMEM}, NULL},
    {SYS_readlinkat, "readlinkat", {ENOMEM}, NULL},
#ifdef SYS_readlink
    {SYS_readlink, "readlink", {ENOMEM}, NULL},
#endif
    {SYS_getdents64, "getdents64", {ENOMEM}, NULL},
    {SYS_faccessat, "faccessat", {ENOMEM}, NULL},
#ifdef SYS_access
    {SYS_access, "access", {ENOMEM}, NULL},
#endif
    {SYS_getcwd, "getcwd", {ENOMEM}, NULL},
    {SYS_sigaltstack, "sigaltstack", {ENOMEM}, NULL},
    {SYS_pidfd_send_signal, "pidfd_send_signal", {0}, NULL},
    {SYS_membarrier, "membarrier", {0}, NULL},
    {SYS_prlimit64, "prlimit64", {0}, NULL},
#ifdef SYS_close_range
    {SYS_close_range, "close_range", {0}, NULL},
#endif
};

/* What a container or an old kernel may refuse for ever, with EPERM or ENOSYS. */
static const char *const calls_that_are_refused[] = {
    "memfd_create", "pidfd_open", "pidfd_send_signal", "clone3", "execveat", "execve", "socketpair", "epoll_create1",
    "eventfd2", "close_range", "madvise", "futex_waitv", "statx", "membarrier", "prlimit64",
};

enum { CALLS = COUNT_OF(calls_that_fail) };

/* Its place in the table, or -1. */
static inline int place_of_call(long number) {
    for (int i = 0; i < CALLS; i++) {
        if (calls_that_fail[i].number == number) return i;
    }
    return -1;
}

static inline int place_of_name(const char *name) {
    for (int i = 0; i < CALLS; i++) {
        if (strcmp(calls_that_fail[i].name, name) == 0) return i;
    }
    return -1;
}

/* ---- in the process whose calls fail -------------------------------------------------------------- */

static inline void mark(int what) {
    CHECK(prctl(MARK, what, 0, 0, 0) == 0);
}

/* From here on the tester decides about one call of the table, or of all for -1. */
static inline void let_calls_be_decided(int only) {
    enum { MOST = 4 + CALLS + 2 };
    struct sock_filter filter[MOST];
    unsigned short n = 0;
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0]));
    filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MARK, 0, 1);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    int first = only < 0 ? 0 : only, end = only < 0 ? CALLS : only + 1;
    for (int i = first; i < end; i++) {
        unsigned char to_end = (unsigned char)(end - i);
        unsigned number = (unsigned)calls_that_fail[i].number;
        filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, to_end, 0);
    }
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    struct sock_fprog program = {n, filter};
    /* Without the rights of root a filter needs it. */
    if (geteuid() != 0) CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    long listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    CHECK(listener >= 0);
    /* No system call until it was taken: nobody would decide about it. */
    atomic_store(word(LISTENER), (uint32_t)listener + 1);
    while (atomic_load(word(LISTENER_TAKEN)) == 0) {}
    close((int)listener);
}

/* ---- in the tester -------------------------------------------------------------------------------- */

/* The listener of a process that installs its filter. -1: the process has ended instead. Skips the test where no
 * descriptor may be taken from another process. */
static inline int take_listener(pid_t pid) {
    int process = (int)syscall(SYS_pidfd_open, pid, 0), listener;
    CHECK(process >= 0);
    while (atomic_load(word(LISTENER)) == 0) {
        if (is_dead(pid)) return close(process), -1;
        pause_briefly();
    }
    listener = (int)syscall(SYS_pidfd_getfd, process, word_get(LISTENER) - 1, 0);
    if (listener < 0 && (errno == EPERM || errno == ENOSYS)) {
        kill(pid, SIGKILL);
        exit(SKIPPED);
    }
    CHECK(listener >= 0);
    close(process);
    atomic_store(word(LISTENER_TAKEN), 1);
    return listener;
}

/* Whether the process that makes a call, a thread of some process, belongs to this one. */
static inline bool is_thread_of(pid_t thread, pid_t pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d", (int)pid, (int)thread);
    return access(path, F_OK) == 0;
}

/* Lets a call happen (0), or fail. What made it may be dead. */
static inline void decide(int listener, uint64_t id, int errno_or_0) {
    struct seccomp_notif_resp answer = {.id = id, .error = -errno_or_0};
    if (errno_or_0 == 0) answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    CHECK(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0 || errno == ENOENT || errno == EINTR);
}

/* Runs this program again, with the number of a call as its second argument. `decide_all` decides what the calls of
 * that kind do until it has ended. Returns its status. */
static inline int run_decided(char **argv, const char *call, int (*decide_all)(pid_t pid, int listener)) {
    char number[16];
    snprintf(number, sizeof number, "%d", place_of_name(call));
    word(0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        execl("/proc/self/exe", argv[0], argv[1], number, (char *)NULL);
        _exit(127);
    }
    int listener = take_listener(pid);
    CHECK(listener >= 0);
    int status = decide_all(pid, listener);
    close(listener);
    return status;
}

#endif
