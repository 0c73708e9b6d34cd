/* A program that is linked with the library gives nobody its rights: executed setuid, it ignores a worker's
 * arguments, in its constructor and in pool_worker_main, and runs its own main. A worker accepts only a channel
 * that a process of its own user has made. Needs root, to make a setuid program. */
#define NO_WORKER_MAIN
#include "processes.h"
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

enum { NOBODY = 65534, RAN_MAIN = 7, NOT_FOUND = 127, CHANNEL = 3, START_FAILED = 71 };

static void copy_program(const char *path, mode_t mode) {
    char bytes[65536];
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int to = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    CHECK(from >= 0 && to >= 0);
    for (ssize_t n = read(from, bytes, sizeof bytes); n > 0; n = read(from, bytes, sizeof bytes)) {
        CHECK(write(to, bytes, (size_t)n) == n);
    }
    CHECK(fchmod(to, mode) == 0);
    close(from);
    close(to);
}

/* Executes the program with a worker's arguments, as this user, on a channel that another user has made. Returns
 * its exit code. */
static int execute(const char *program, uid_t user, uid_t channel_user) {
    int ends[2];
    CHECK(seteuid(channel_user) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
    CHECK(seteuid(0) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        if (setgid(user) != 0 || setuid(user) != 0 || dup2(ends[1], CHANNEL) != CHANNEL) _exit(1);
        execl(program, program, "--carpool-worker", "3", (char *)NULL);
        _exit(NOT_FOUND);
    }
    close(ends[1]);
    int status;
    CHECK(waitpid(child, &status, 0) == child); /* The channel stays open: a worker would wait for its parent. */
    close(ends[0]);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--carpool-worker") == 0) {
        int code = pool_worker_main(argc, argv);
        return code >= 0 ? code : RAN_MAIN;
    }
    pool_options_t options = test_begin(argc, argv);
    if (options.kind != POOL_PROCESS || options.start != POOL_SPAWN || getuid() != 0) exit(SKIPPED);
    char folder[] = "/tmp/carpool-setuid-XXXXXX", program[64];
    CHECK(mkdtemp(folder) != NULL && chmod(folder, 0755) == 0);
    snprintf(program, sizeof program, "%s/program", folder);
    struct statvfs filesystem;
    CHECK(statvfs(folder, &filesystem) == 0);
    copy_program(program, 04755);
    int code = filesystem.f_flag & ST_NOSUID ? NOT_FOUND : execute(program, NOBODY, NOBODY);
    int foreign = execute(program, 0, NOBODY);
    CHECK(unlink(program) == 0 && rmdir(folder) == 0);
    CHECK_EQUAL(foreign, START_FAILED);
    if (code == NOT_FOUND) exit(SKIPPED); /* The user may not read the library, or no program is setuid there. */
    CHECK_EQUAL(code, RAN_MAIN);
    return leaves_nothing_behind();
}
