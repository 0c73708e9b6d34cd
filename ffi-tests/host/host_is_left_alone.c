/* The library changes nothing of its host: no signal, no environment, no folder; its descriptors
 * close on exec, and its threads leave the host's signals to the host. */
#include "rendezvous.h"
#include <signal.h>
#include <sys/stat.h>

enum { WORKERS = 2, GATE = 0 };

struct host {
    struct sigaction actions[NSIG];
    sigset_t blocked;
    char folder[4096];
    mode_t mask;
    int is_open[1024];
};

static void look_at_host(struct host *host) {
    memset(host, 0, sizeof *host);
    for (int number = 1; number < NSIG; number++) sigaction(number, NULL, &host->actions[number]);
    sigprocmask(SIG_SETMASK, NULL, &host->blocked);
    CHECK(getcwd(host->folder, sizeof host->folder) != NULL);
    host->mask = umask(0);
    umask(host->mask);
    for (int descriptor = 0; descriptor < 1024; descriptor++) {
        host->is_open[descriptor] = fcntl(descriptor, F_GETFD) != -1;
    }
}

static void is_as_before(const struct host *before) {
    static struct host now;
    look_at_host(&now);
    for (int number = 1; number < NSIG; number++) {
        if (now.actions[number].sa_handler != before->actions[number].sa_handler) {
            fprintf(stderr, "signal %d: ", number);
            CHECK(!"has another handler");
        }
        CHECK_EQUAL(sigismember(&now.blocked, number), sigismember(&before->blocked, number));
    }
    CHECK(strcmp(now.folder, before->folder) == 0);
    CHECK_EQUAL(now.mask, before->mask);
}

static void new_descriptors_close_on_exec(const struct host *before) {
    for (int descriptor = 0; descriptor < 1024; descriptor++) {
        int flags = fcntl(descriptor, F_GETFD);
        CHECK(flags == -1 || before->is_open[descriptor] || flags & FD_CLOEXEC);
    }
}

/* SIGUSR1 must reach the thread that wants it: all others have it blocked. */
static void threads_block_signals(void) {
    int open_for_signals = 0;
    DIR *threads = opendir("/proc/self/task");
    CHECK(threads != NULL);
    for (struct dirent *thread = readdir(threads); thread; thread = readdir(threads)) {
        char path[512], line[256];
        unsigned long long blocked;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", thread->d_name);
        FILE *status = thread->d_name[0] == '.' ? NULL : fopen(path, "r");
        while (status && fgets(line, sizeof line, status)) {
            if (sscanf(line, "SigBlk: %llx", &blocked) != 1) continue;
            open_for_signals += !(blocked >> (SIGUSR1 - 1) & 1);
        }
        if (status) fclose(status);
    }
    closedir(threads);
    CHECK_EQUAL(open_for_signals, 1);
}

static void on_signal(int number) {
    (void)number;
}

int main(int argc, char **argv) {
    static struct host before;
    signal(SIGCHLD, on_signal);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGINT, on_signal);
    setenv("CARPOOL_HOST", "1", 1);
    look_at_host(&before);

    pool_options_t options = test_begin(argc, argv);
    pool_t *pool = new_pool(&options, WORKERS);
    future_t *futures[WORKERS];
    is_as_before(&before);
    occupy(pool, GATE, WORKERS, futures);
    is_as_before(&before);
    new_descriptors_close_on_exec(&before);
    threads_block_signals();
    CHECK(strcmp(getenv("CARPOOL_HOST"), "1") == 0);
    release(GATE);
    wait_and_free(futures, WORKERS);
    pool_free(pool);
    is_as_before(&before);
    return leaves_nothing_behind();
}
