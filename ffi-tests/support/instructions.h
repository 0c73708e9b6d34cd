/* Stopping a thread of another process at any instruction that it executes: ptrace(2). What it executes is recorded
 * once, one instruction at a time; then any of them is reached at full speed, by a breakpoint of the processor. Only
 * processes of this test are traced. What is still traced when the tester ends is killed by the kernel. */
#ifndef INSTRUCTIONS_H
#define INSTRUCTIONS_H

#include "processes.h"
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/wait.h>

/* ---- the processes of such a test ----------------------------------------------------------------- */

static inline void do_nothing(int signal) {
    (void)signal;
}

/* Interrupts the waits of the tester: what it waits for may never stop, because it sleeps. */
static inline void look_at_the_time(void) {
    struct sigaction action = {.sa_handler = do_nothing};
    struct itimerval often = {{0, 2000}, {0, 2000}};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
}

/* Waits for a change of a child or of what is traced, as waitpid does. */
static inline pid_t await_change(pid_t pid, int *status) {
    pid_t changed;
    do changed = waitpid(pid, status, __WALL);
    while (changed == -1 && errno == EINTR);
    return changed;
}

/* This program again, with another argument behind its kind. */
static inline pid_t run_again(char *const *argv, const char *role) {
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid > 0) return pid;
    execl("/proc/self/exe", argv[0], argv[1], role, (char *)NULL);
    _exit(127);
}

static inline int status_of(pid_t child) {
    int status;
    CHECK(await_change(child, &status) == child);
    return status;
}

/* ---- one thread ----------------------------------------------------------------------------------- */

/* A thread that is traced, and what ends a wait for its next stop: a word that has reached a value. */
struct traced {
    pid_t pid, thread;
    size_t word;
    uint32_t value;
    long options; /* of ptrace(2) */
    int event;    /* that has stopped it, or 0 */
};

/* Stops the thread, wherever it is. False where nobody may trace. */
static inline bool begin_tracing(const struct traced *traced) {
    int status;
    CHECK(is_of_this_test(traced->pid));
    if (ptrace(PTRACE_SEIZE, traced->thread, NULL, PTRACE_O_EXITKILL | traced->options) != 0) return false;
    CHECK(ptrace(PTRACE_INTERRUPT, traced->thread, NULL, NULL) == 0);
    return await_change(traced->thread, &status) == traced->thread && WIFSTOPPED(status);
}

/* Lets the stopped thread go on as far as `how` says. False: it has ended, or the wait has. A signal goes where it was
 * sent to. */
static inline bool go_on(struct traced *traced, int how) {
    for (long signal = 0;;) {
        int status;
        if (ptrace((enum __ptrace_request)how, traced->thread, NULL, (void *)signal) != 0) return false;
        while (waitpid(traced->thread, &status, __WALL) != traced->thread) {
            CHECK(errno == EINTR);
            if (word_get(traced->word) >= traced->value) return false;
        }
        if (!WIFSTOPPED(status)) return false;
        traced->event = status >> 16;
        if (WSTOPSIG(status) == SIGTRAP || traced->event) return true;
        signal = WSTOPSIG(status);
    }
}

/* Kills the process, and waits until it has ended: the tracer is told first. */
static inline void kill_traced(const struct traced *traced) {
    int status;
    kill(traced->pid, SIGKILL);
    while (await_change(traced->thread, &status) == traced->thread && WIFSTOPPED(status)) {}
}

/* Lets the thread, which runs or sleeps, go on by itself. */
static inline void end_tracing(const struct traced *traced) {
    int status;
    if (ptrace(PTRACE_INTERRUPT, traced->thread, NULL, NULL) != 0) return;
    if (await_change(traced->thread, &status) != traced->thread || !WIFSTOPPED(status)) return;
#ifdef __x86_64__
    ptrace(PTRACE_POKEUSER, traced->thread, offsetof(struct user, u_debugreg[7]), 0);
#endif
    ptrace(PTRACE_DETACH, traced->thread, NULL, NULL);
}

/* ---- instructions --------------------------------------------------------------------------------- */

enum { PATHS = 16, PATH_ROOM = 256, INSTRUCTIONS = 100000 };

/* By its place in a file, since the file lies elsewhere in each process; and how often it was executed before. */
struct instruction {
    uint32_t path, time;
    uint64_t offset;
};

struct instructions {
    char paths[PATHS][PATH_ROOM];
    struct instruction list[INSTRUCTIONS];
    size_t n;
};

#ifdef __x86_64__

struct mapping {
    unsigned long start, end, offset;
    char path[PATH_ROOM];
};

/* The next mapping of /proc/PID/maps that has a name. */
static inline bool next_mapping(FILE *maps, struct mapping *mapping) {
    char line[4096 + 128];
    while (fgets(line, sizeof line, maps)) {
        *mapping->path = 0;
        int n = sscanf(line, "%lx-%lx %*s %lx %*s %*s %255[^\n]", &mapping->start, &mapping->end, &mapping->offset, mapping->path);
        if (n == 4) return true;
    }
    return false;
}

static inline FILE *open_maps(pid_t pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    return fopen(path, "r");
}

static inline struct instruction instruction_at(struct instructions *all, pid_t pid, unsigned long address) {
    static struct mapping last;
    static pid_t of;
    struct instruction found = {PATHS, 0, 0};
    if (of != pid || address < last.start || address >= last.end) {
        FILE *maps = open_maps(pid);
        CHECK(maps != NULL);
        while (next_mapping(maps, &last) && (address < last.start || address >= last.end)) {}
        fclose(maps);
        of = pid;
    }
    if (address < last.start || address >= last.end) return found;
    for (found.path = 0; found.path < PATHS && all->paths[found.path][0]; found.path++) {
        if (strcmp(all->paths[found.path], last.path) == 0) break;
    }
    if (found.path < PATHS) strcpy(all->paths[found.path], last.path);
    found.offset = address - last.start + last.offset;
    return found;
}

/* What the stopped thread executes until its wait ends. */
static inline void record_instructions(struct traced *traced, struct instructions *all) {
    const size_t pointer = offsetof(struct user, regs.rip);
    for (all->n = 0; all->n < INSTRUCTIONS; all->n++) {
        unsigned long address = (unsigned long)ptrace(PTRACE_PEEKUSER, traced->thread, pointer, NULL);
        struct instruction found = instruction_at(all, traced->pid, address);
        for (size_t i = all->n; i-- > 0;) {
            if (all->list[i].path != found.path || all->list[i].offset != found.offset) continue;
            found.time = all->list[i].time + 1;
            break;
        }
        all->list[all->n] = found;
        if (!go_on(traced, PTRACE_SINGLESTEP)) break;
    }
}

/* Lets the stopped thread run until just before an instruction. False: it has not come there. */
static inline bool run_to(struct traced *traced, const struct instructions *all, size_t n) {
    const struct instruction *wanted = &all->list[n];
    unsigned long address = 0;
    struct mapping mapping;
    FILE *maps = open_maps(traced->pid);
    while (maps && wanted->path < PATHS && next_mapping(maps, &mapping)) {
        bool is_in = wanted->offset >= mapping.offset && wanted->offset - mapping.offset < mapping.end - mapping.start;
        if (is_in && strcmp(mapping.path, all->paths[wanted->path]) == 0) address = mapping.start + wanted->offset - mapping.offset;
    }
    if (maps) fclose(maps);
    const size_t registers = offsetof(struct user, u_debugreg);
    if (address && ptrace(PTRACE_POKEUSER, traced->thread, registers, address) != 0) return false;
    if (address && ptrace(PTRACE_POKEUSER, traced->thread, registers + 7 * sizeof(long), 1L) != 0) return false;
    for (uint32_t time = 0; time <= wanted->time; time++) {
        if (!go_on(traced, PTRACE_CONT)) return false;
    }
    return true;
}

#else /* without breakpoints of the processor: one instruction at a time, each time */

static inline void record_instructions(struct traced *traced, struct instructions *all) {
    for (all->n = 0; all->n < INSTRUCTIONS && go_on(traced, PTRACE_SINGLESTEP); all->n++) {}
}

static inline bool run_to(struct traced *traced, const struct instructions *all, size_t n) {
    (void)all;
    for (size_t i = 0; i < n; i++) {
        if (!go_on(traced, PTRACE_SINGLESTEP)) return false;
    }
    return true;
}

#endif
#endif
