/* How much memory do idle workers take?
 *
 *     memory process|forkserver|fork|thread WORKERS
 *
 * For worker processes: the proportional set size, in which a page shared by n processes counts as 1/n, and
 * the private pages. For threads: the growth of this process since pool_new, without the stacks. */
#include "bench.h"

enum { SETTLE_NS = 300000000 };

/* Whether the address is in the mapping that this line of smaps begins; -1 if the line does not begin one. */
static int begins_mapping_of(const char *line, uint64_t address) {
    uint64_t from, to;
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &from, &to) != 2) return -1;
    return from <= address && address < to;
}

/* Resident memory of the mapping that contains an address of this process. */
static uint64_t resident_bytes_at(uint64_t address) {
    char line[512];
    uint64_t kib = 0;
    int within = 0;
    FILE *smaps = fopen("/proc/self/smaps", "r");
    CHECK(smaps != NULL);
    while (fgets(line, sizeof line, smaps) != NULL) {
        int begins = begins_mapping_of(line, address);
        if (begins >= 0) within = begins;
        else if (within && strncmp(line, "Rss:", 4) == 0) kib = strtoull(line + 4, NULL, 10);
    }
    fclose(smaps);
    return kib * 1024;
}

/* The stacks of all threads except the main one, found by their stack pointers. */
static uint64_t stack_bytes(void) {
    uint64_t sum_bytes = 0;
    DIR *threads = opendir("/proc/self/task");
    CHECK(threads != NULL);
    for (struct dirent *entry; (entry = readdir(threads)) != NULL;) {
        char path[300], line[256];
        uint64_t stack_pointer;
        if (entry->d_name[0] == '.' || number(entry->d_name) == (uint64_t)getpid()) continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/syscall", entry->d_name);
        FILE *file = fopen(path, "r");
        if (file == NULL || fgets(line, sizeof line, file) == NULL) skip("cannot read a thread's syscall");
        fclose(file);
        /* System call number, six arguments, stack pointer, program counter. */
        CHECK(sscanf(line, "%*d %*s %*s %*s %*s %*s %*s %" SCNx64, &stack_pointer) == 1);
        sum_bytes += resident_bytes_at(stack_pointer);
    }
    closedir(threads);
    return sum_bytes;
}

struct children {
    uint64_t pss_bytes, private_bytes;
};

static void add_child(pid_t pid, void *user) {
    struct children *sum = user;
    sum->pss_bytes += rollup_bytes(pid, "Pss:");
    sum->private_bytes += rollup_bytes(pid, "Private_Clean:") + rollup_bytes(pid, "Private_Dirty:");
}

static void print_processes(pool_t *pool, uint32_t workers, uint64_t parent_bytes) {
    struct children all = {0}, all_workers = {0};
    pool_worker_info_t *info = new_touched(workers * sizeof *info);
    size_t n;
    for (uint32_t i = 0; i < workers; i++) info[i].struct_size = sizeof *info;
    CHECK_OK(pool_workers(pool, info, workers, &n));
    CHECK(n == workers);
    for (size_t i = 0; i < n; i++) add_child((pid_t)info[i].pid, &all_workers);
    each_child(add_child, &all);
    printf("{\"worker_bytes\": %" PRIu64 ", \"private_bytes\": %" PRIu64 ", \"forkserver_bytes\": %" PRIu64
           ", \"parent_bytes\": %" PRIu64 "}\n",
           all_workers.pss_bytes / workers, all_workers.private_bytes / workers,
           all.pss_bytes - all_workers.pss_bytes, parent_bytes);
}

int main(int argc, char **argv) {
    if (argc != 3) die("usage: %s process|forkserver|fork|thread WORKERS", argv[0]);
    uint32_t workers = (uint32_t)number(argv[2]);
    rollup_bytes(getpid(), "Pss:"); /* allocates the buffers of stdio */
    /* Not the private dirty pages: those of a library that was just built are dirty until they are written back. */
    uint64_t before_bytes = rollup_bytes(getpid(), "Anonymous:");
    pool_t *pool = new_pool(argv[1], workers);
    start_workers(pool, workers);
    sleep_ns(SETTLE_NS);
    uint64_t grown_bytes = rollup_bytes(getpid(), "Anonymous:") - before_bytes;

    if (strcmp(argv[1], "thread") == 0) {
        uint64_t stacks = stack_bytes();
        printf("{\"worker_bytes\": %" PRIu64 ", \"parent_bytes\": %" PRIu64 ", \"stack_bytes\": %" PRIu64 "}\n",
               (grown_bytes - stacks) / workers, grown_bytes, stacks);
    } else {
        print_processes(pool, workers, grown_bytes);
    }
    pool_free(pool);
    return 0;
}
