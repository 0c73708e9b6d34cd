/* Lines as sha256sum prints them, and a progress bar that does not get in their way. */
#define _GNU_SOURCE
#include "output.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ERASE "\r\033[K"

static const double pause_of_bar = 0.1; /* Seconds: what changes faster cannot be read. */

/* Where stdout is a terminal too, its lines are held back until the bar is out of their way, but no
 * more than some: with the longest path after them they must fit the buffer. */
enum { BUFFER = 64 * 1024, HELD_BACK_MAX = 32 * 1024 };

static struct {
    bool wanted, visible, shares_terminal;
    double began, drawn;
} bar;
static size_t held_back;
static bool complained;

static void erase_bar(void) {
    if (bar.visible) fputs(ERASE, stderr);
    bar.visible = false;
}

/* Names with these are escaped, so that each line stays one line. */
static const char *escaped(char c) {
    switch (c) {
        case '\\': return "\\\\";
        case '\n': return "\\n";
        case '\r': return "\\r";
        default: return NULL;
    }
}

static void put_name(const char *name, FILE *stream) {
    for (; *name; name++) {
        if (escaped(*name)) fputs(escaped(*name), stream);
        else putc(*name, stream);
    }
}

void print_digest(const unsigned char digest[32], const char *path) {
    static const char hex[] = "0123456789abcdef";
    char line[64 + 2 + 1];
    for (int i = 0; i < 32; i++) {
        line[2 * i] = hex[digest[i] >> 4];
        line[2 * i + 1] = hex[digest[i] & 15];
    }
    strcpy(line + 64, "  ");
    if (strpbrk(path, "\\\n\r")) putchar('\\'); /* Tells that the name is escaped. */
    fputs(line, stdout);
    put_name(path, stdout);
    putchar('\n');
    held_back += sizeof line + 2 * strlen(path);
}

void complain(const char *subject, const char *why) {
    erase_bar();
    fputs("sha256tree: ", stderr);
    put_name(subject, stderr);
    fprintf(stderr, ": %s\n", why);
    complained = true;
}

bool has_complained(void) {
    return complained;
}

/* Ctrl-C leaves an empty line behind, and then does what it always does. */
static void tidy_up(int number) {
    if (write(STDERR_FILENO, ERASE, sizeof ERASE - 1) >= 0) raise(number);
    else _exit(1);
}

bool begin_bar(void) {
    bar.began = seconds();
    bar.wanted = isatty(STDERR_FILENO);
    bar.shares_terminal = bar.wanted && isatty(STDOUT_FILENO);
    static char buffer[BUFFER];
    if (bar.shares_terminal) setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    if (bar.wanted) {
        struct sigaction action = {.sa_handler = tidy_up, .sa_flags = SA_RESETHAND};
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
    }
    return bar.wanted;
}

void draw_bar(uint64_t files, uint64_t files_of_all, uint64_t bytes) {
    if (!bar.wanted) return;
    double now = seconds();
    bool due = now - bar.drawn >= pause_of_bar;
    if (bar.shares_terminal && (due || held_back > HELD_BACK_MAX)) {
        erase_bar();
        fflush(stdout);
        held_back = 0;
    }
    if (!due) return;
    uint64_t of_20 = files_of_all ? 20 * files / files_of_all : 0;
    fprintf(stderr, "[%-20.*s] %" PRIu64 " of %" PRIu64 " files, %.0f MB, %.0f MB/s\033[K\r",
            of_20 < 20 ? (int)of_20 : 20, "####################", files, files_of_all,
            (double)bytes / 1e6, (double)bytes / 1e6 / (now - bar.began));
    bar.visible = true;
    bar.drawn = now;
}

void end_output(void) {
    erase_bar();
    if (fflush(stdout) != 0 || ferror(stdout)) complain("stdout", strerror(errno));
}

double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
