/* POOL_SANDBOX_COMPUTE: after the initializer, every call that would reach files, sockets, programs, processes,
 * threads, executable memory or privileges fails with EPERM, also in threads that are older than the sandbox; the
 * caller keeps all its rights. */
#include "processes.h"
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { CALLERS_FILE = 200, ASKED = WORD_FIRST, STATED };

static char path[] = "/dev/null", folder[] = "/tmp/never_made";
static char room[8192];
static struct iovec part = {room, sizeof room};
static struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
static char *no_words[] = {NULL};
static uint64_t clone_args[11] = {0, 0, 0, 0, SIGCHLD};
static struct rlimit limit = {1, 1};
static cpu_set_t cpus;

#define A(argument) ((long)(argument))
#define CALL(name, ...) {#name, SYS_##name, {__VA_ARGS__}}

/* Each would succeed, or fail with another error. */
static const struct call {
    const char *name;
    long number;
    long arguments[6];
} forbidden[] = {
    CALL(openat, AT_FDCWD, A(path), O_RDONLY),
    CALL(openat2, AT_FDCWD, A(path), A(room), 24),
    CALL(newfstatat, AT_FDCWD, A(path), A(room), 0),
    CALL(statx, AT_FDCWD, A(path), 0, 0, A(room)),
    CALL(readlinkat, AT_FDCWD, A(path), A(room), 1),
    CALL(faccessat, AT_FDCWD, A(path), 0),
    CALL(mkdirat, AT_FDCWD, A(folder), 0700),
    CALL(unlinkat, AT_FDCWD, A(folder), 0),
    CALL(renameat2, AT_FDCWD, A(folder), AT_FDCWD, A(folder), 0),
    CALL(linkat, AT_FDCWD, A(folder), AT_FDCWD, A(folder), 0),
    CALL(symlinkat, A(path), AT_FDCWD, A(folder)),
    CALL(fchmodat, AT_FDCWD, A(path), 0666),
    CALL(fchmod, 0, 0666),
    CALL(chdir, A(path)),
    CALL(chroot, A(path)),
    CALL(getcwd, A(room), sizeof room),
    CALL(getdents64, 0, A(room), sizeof room),
    CALL(mount, A(path), A(path), A(path), 0, 0),
    CALL(unshare, CLONE_NEWUSER),
    CALL(setns, 0, 0),
    CALL(execve, A(path), A(no_words), A(no_words)),
    CALL(execveat, AT_FDCWD, A(path), A(no_words), A(no_words), 0),
    CALL(clone, SIGCHLD, 0, 0, 0, 0),
    CALL(clone, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD, A(room + sizeof room), 0, 0, 0),
    CALL(clone3, A(clone_args), 64),
    CALL(wait4, -1, 0, 1, 0),
    CALL(kill, 1, 0),
    CALL(kill, -1, 0),
    CALL(tkill, 1, 0),
    CALL(tgkill, 1, 1, 0),
    CALL(rt_sigqueueinfo, 1, 0, A(room)),
    CALL(pidfd_open, 1, 0),
    CALL(pidfd_send_signal, 0, 0, 0, 0),
    CALL(pidfd_getfd, 0, 0, 0),
    CALL(ptrace, PTRACE_TRACEME, 0, 0, 0),
    CALL(process_vm_readv, 1, A(&part), 1, A(&part), 1, 0),
    CALL(process_vm_writev, 1, A(&part), 1, A(&part), 1, 0),
    CALL(prctl, PR_GET_DUMPABLE, 0, 0, 0, 0),
    CALL(prctl, PR_SET_PDEATHSIG, 0, 0, 0, 0),
    CALL(seccomp, SECCOMP_GET_ACTION_AVAIL, 0, A(room)),
    CALL(personality, 0xffffffff),
    CALL(setuid, 0),
    CALL(setresuid, -1, -1, -1),
    CALL(setgroups, 0, 0),
    CALL(capset, A(room), A(room)),
    CALL(setpgid, 0, 0),
    CALL(setsid, 0),
    CALL(setpriority, PRIO_PROCESS, 0, 1),
    CALL(sched_setaffinity, 0, sizeof cpus, A(&cpus)),
    CALL(prlimit64, 0, RLIMIT_CORE, A(&limit), 0),
    CALL(prlimit64, 1, RLIMIT_CORE, 0, A(&limit)),
    CALL(socket, AF_UNIX, SOCK_STREAM, 0),
    CALL(socketpair, AF_UNIX, SOCK_STREAM, 0, A(room)),
    CALL(connect, 0, A(room), 2),
    CALL(bind, 0, A(room), 2),
    CALL(accept4, 0, 0, 0, 0),
    CALL(sendto, 1, A(room), 1, 0, 0, 0),
    CALL(sendmsg, 1, A(&message), 0),
    CALL(sendmmsg, 1, A(room), 1, 0),
    CALL(recvmsg, 0, A(&message), 0),
    CALL(pipe2, A(room), 0),
    CALL(dup, 1),
    CALL(dup3, 1, 9, 0),
    CALL(fcntl, 1, F_DUPFD, 9),
    CALL(fcntl, 1, F_SETFL, O_NONBLOCK),
    CALL(ioctl, 0, TIOCSTI, A(room)),
    CALL(eventfd2, 0, 0),
    CALL(epoll_create1, 0),
    CALL(timerfd_create, 0, 0),
    CALL(signalfd4, -1, A(room), 8, 0),
    CALL(inotify_init1, 0),
    CALL(io_uring_setup, 1, A(room)),
    CALL(io_setup, 1, A(room)),
    CALL(bpf, 0, A(room), sizeof room),
    CALL(perf_event_open, A(room), 0, -1, -1, 0),
    CALL(userfaultfd, 0),
    CALL(add_key, A(path), A(path), 0, 0, 0),
    CALL(keyctl, 0, 0, 0, 0, 0),
    CALL(shmget, 0, 4096, 01600),
    CALL(shmat, 0, 0, 0),
    CALL(mq_open, A(path), 0, 0, 0),
    CALL(mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
    CALL(mmap, 0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
    CALL(pkey_mprotect, 0, 4096, PROT_EXEC, -1),
    CALL(memfd_secret, 0),
    CALL(remap_file_pages, 0, 0, 0, 0, 0),
    CALL(process_madvise, 0, 0, 0, 0, 0),
    CALL(reboot, 0, 0, 0, 0),
    CALL(settimeofday, 0, 0),
    CALL(uname, A(room)),
#ifdef SYS_open
    CALL(open, A(path), O_RDONLY),
    CALL(creat, A(folder), 0600),
    CALL(stat, A(path), A(room)),
    CALL(readlink, A(path), A(room), 1),
    CALL(fork, 0),
    CALL(dup2, 1, 9),
    CALL(pipe, A(room)),
    CALL(modify_ldt, 0, 0, 0),
    CALL(arch_prctl, 0x1002, 0), /* ARCH_SET_FS */
    {"open of the x32 ABI", 0x40000000 | SYS_open, {A(path), O_RDONLY}},
#endif
};

/* The name of the first call that is possible; NULL: none is. */
static const char *first_possible(void) {
    for (size_t i = 0; i < COUNT_OF(forbidden); i++) {
        const long *a = forbidden[i].arguments;
        errno = 0;
        long result = syscall(forbidden[i].number, a[0], a[1], a[2], a[3], a[4], a[5]);
        if (result != -1 || errno != EPERM) return forbidden[i].name;
    }
    static char data[4096] __attribute__((aligned(4096)));
    if (mprotect(data, sizeof data, PROT_READ | PROT_EXEC) == 0 || errno != EPERM) return "mprotect";
    return NULL;
}

static void *ask_in_thread(void *unused) {
    (void)unused;
    word_wait(ASKED, 1);
    const char *possible = first_possible();
    if (possible) fprintf(stderr, "%s is possible in an older thread\n", possible);
    word_set(STATED, possible ? 2 : 1);
    for (;;) word_wait(ASKED, 2); /* nobody sets it: the thread ends with the worker */
    return NULL;
}

/* Here all is allowed. */
static int32_t begin(pool_task_t *task) {
    pthread_t thread;
    (void)task;
    int file = open(path, O_RDONLY);
    CHECK(file >= 0 && close(file) == 0);
    word_set(ASKED, 0);
    word_set(STATED, 0);
    CHECK(pthread_create(&thread, NULL, ask_in_thread, NULL) == 0);
    CHECK(pthread_detach(thread) == 0);
    return 0;
}

static int32_t try_all(pool_task_t *task) {
    const char *possible = first_possible();
    if (possible) return pool_task_fail(task, 1, possible);
    word_set(ASKED, 1);
    word_wait(STATED, 1);
    return word_get(STATED) == 1 ? 0 : pool_task_fail(task, 1, "in an older thread");
}

static void *do_nothing(void *unused) {
    return unused;
}

/* What the C library and this library make of it: errors. */
static int32_t try_through_libraries(pool_task_t *task) {
    pthread_t thread;
    pool_t *pool = NULL;
    pool_options_t options = POOL_OPTIONS_INIT;
    CHECK(fopen(path, "r") == NULL && errno == EPERM);
    CHECK(fork() == -1 && errno == EPERM);
    CHECK(system("true") != 0);
    CHECK(pthread_create(&thread, NULL, do_nothing, NULL) != 0);
    for (int32_t kind = POOL_PROCESS; kind <= POOL_THREAD; kind++) {
        options.kind = kind;
        CHECK(pool_new(&options, &pool, NULL) != POOL_OK && pool == NULL);
    }
    CHECK(fcntl(CALLERS_FILE, F_GETFD) == -1 && errno == EBADF);
    return return_pid(task);
}

#ifdef __x86_64__
static int32_t call_as_32_bit(pool_task_t *task) {
    long result;
    (void)task;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory");
    return 0;
}

static void check_32_bit_is_deadly(pool_t *pool) {
    future_t *future;
    CHECK_OK(pool_submit(pool, call_as_32_bit, NULL, 0, &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    pool_error_t error = check_lost(future);
    CHECK(error.signal == SIGSYS || error.signal == SIGSEGV); /* or the kernel has no such calls */
    future_free(future);
}
#else
static void check_32_bit_is_deadly(pool_t *pool) {
    (void)pool;
}
#endif

/* Each thread of the process, the library's own included. */
static void check_threads(int64_t pid) {
    char name[64], line[512];
    int threads = 0;
    snprintf(name, sizeof name, "/proc/%d/task", (int)pid);
    DIR *entries = opendir(name);
    CHECK(entries != NULL);
    for (struct dirent *entry = readdir(entries); entry; entry = readdir(entries)) {
        char status[512];
        int held = 0;
        if (entry->d_name[0] == '.') continue;
        snprintf(status, sizeof status, "%s/%s/status", name, entry->d_name);
        FILE *file = fopen(status, "r");
        CHECK(file != NULL);
        while (fgets(line, sizeof line, file)) {
            held += strncmp(line, "NoNewPrivs:\t1", 13) == 0 || strncmp(line, "Seccomp:\t2", 10) == 0;
        }
        fclose(file);
        CHECK_EQUAL(held, 2);
        threads++;
    }
    closedir(entries);
    CHECK(threads >= 3); /* the worker, the thread that watches the parent, and the initializer's */
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = NULL;
    pool_error_t error;
    options.sandbox = POOL_SANDBOX_COMPUTE;
    if (options.kind != POOL_PROCESS) {
        CHECK_IS(pool_new(&options, &pool, &error), POOL_ERR_UNSUPPORTED);
        CHECK(pool == NULL && strstr(error.message, "sandbox") != NULL);
        return leaves_nothing_behind();
    }
    CHECK(dup2(STDERR_FILENO, CALLERS_FILE) == CALLERS_FILE);
    options.initializer.pointer = begin;
    pool = new_pool(&options, 1);
    future_t *future;
    CHECK_OK(pool_submit(pool, try_all, NULL, 0, &future));
    CHECK_OK(future_wait(future, POOL_FOREVER));
    CHECK_OK(future_error(future, &error));
    if (error.status != POOL_OK) fprintf(stderr, "possible: %s\n", error.message);
    CHECK_OK(error.status);
    future_free(future);
    int64_t pid;
    CHECK_OK(pool_run(pool, try_through_libraries, NULL, 0, POOL_FOREVER, &pid, sizeof pid, NULL));
    check_threads(pid);
    check_32_bit_is_deadly(pool);
    pool_options_t now = POOL_OPTIONS_INIT;
    CHECK_OK(pool_get_options(pool, &now));
    CHECK_EQUAL(now.sandbox, POOL_SANDBOX_COMPUTE);
    pool_free(pool);
    close(CALLERS_FILE);
    CHECK_EQUAL(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
    CHECK_EQUAL(prctl(PR_GET_SECCOMP, 0, 0, 0, 0), 0);

    options.sandbox = 2;
    CHECK_IS(pool_new(&options, &pool, &error), POOL_ERR_INVALID);
    options.sandbox = POOL_SANDBOX_COMPUTE;
    options.seccomp_filter = room;
    options.seccomp_len = 1;
    CHECK_IS(pool_new(&options, &pool, &error), POOL_ERR_INVALID);
    CHECK(strstr(error.message, "sandbox") != NULL);
    return leaves_nothing_behind();
}
