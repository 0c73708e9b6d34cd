/* Workers are in the background of their terminal. Under `stty tostop`, a task that prints there or sets it
 * is not stopped, and one that reads from it fails instead of waiting for ever. */
#include "check.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

static int32_t print(pool_task_t *task) {
    const char text[] = "printed by a task\n";
    return write(1, text, sizeof text - 1) == sizeof text - 1 ? 0 : pool_task_fail(task, errno, "write");
}

static int32_t set(pool_task_t *task) {
    struct termios settings;
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
    if (tty < 0 || tcgetattr(tty, &settings) || tcsetattr(tty, TCSADRAIN, &settings)) {
        return pool_task_fail(task, errno, "tcsetattr");
    }
    close(tty);
    return 0;
}

/* Result: errno. */
static int32_t read_line(pool_task_t *task) {
    char text[16];
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
    CHECK(tty >= 0);
    int number = read(tty, text, sizeof text) < 0 ? errno : 0;
    close(tty);
    return pool_task_return(task, &number, sizeof number);
}

static int run_in_terminal(const pool_options_t *options) {
    pool_t *pool = new_pool(options, 1);
    int number = -1;
    CHECK_OK(pool_run(pool, print, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    CHECK_OK(pool_run(pool, set, NULL, 0, POOL_FOREVER, NULL, 0, NULL));
    CHECK_OK(pool_run(pool, read_line, NULL, 0, POOL_FOREVER, &number, sizeof number, NULL));
    CHECK_EQUAL(number, options->kind == POOL_PROCESS ? EIO : 0);
    pool_free(pool);
    return 0;
}

/* The child leads a session whose terminal is this one, and is its foreground. */
static void enter_terminal(const char *name) {
    struct termios settings;
    CHECK(setsid() > 0);
    int tty = open(name, O_RDWR);
    CHECK(tty >= 0);
    ioctl(tty, TIOCSCTTY, 0);
    CHECK(tcgetattr(tty, &settings) == 0);
    settings.c_lflag |= TOSTOP;
    CHECK(tcsetattr(tty, TCSANOW, &settings) == 0);
    for (int fd = 0; fd < 3; fd++) CHECK(dup2(tty, fd) == fd);
    close(tty);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    char name[128], text[4096] = "";
    size_t len = 0;
    int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), status;
    if (terminal < 0 || grantpt(terminal) || unlockpt(terminal)) return SKIPPED;
    CHECK(ptsname_r(terminal, name, sizeof name) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        enter_terminal(name);
        _exit(run_in_terminal(&options));
    }
    CHECK(write(terminal, "typed\n", 6) == 6);
    while (len < sizeof text - 1) {
        ssize_t n = read(terminal, text + len, sizeof text - 1 - len);
        if (n > 0) len += (size_t)n;
        /* The child may not have opened it yet; it closes it at its end. */
        if (n < 0 && waitpid(child, &status, WNOHANG) == child) break;
        if (n < 0) pause_briefly();
    }
    if (strstr(text, "printed by a task") == NULL || !WIFEXITED(status) || WEXITSTATUS(status)) {
        fputs(text, stderr);
    }
    CHECK(strstr(text, "printed by a task") != NULL);
    CHECK(WIFEXITED(status));
    CHECK_EQUAL(WEXITSTATUS(status), 0);
    close(terminal);
    return leaves_nothing_behind();
}
