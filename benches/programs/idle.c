/* What does an idle pool cost?
 *
 *     idle process|forkserver|fork|thread WORKERS MILLISECONDS
 *
 * The workers stay (min_workers). Counts the context switches and the CPU time of the workers and of the
 * library's threads in this process. Both should be 0, because no thread polls. */
#include "bench.h"

/* A worker searches for more work for a while before it falls asleep. */
enum { SETTLE_NS = 300000000 };

struct activity { uint64_t threads, switches, cpu_ns; };

static void add_thread(const char *folder, const char *thread, struct activity *sum) {
    char path[400], line[256];
    unsigned long long value;
    snprintf(path, sizeof path, "%s/%s/status", folder, thread);
    FILE *file = fopen(path, "r");
    if (file == NULL) die("a thread has exited: %s", path);
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "voluntary_ctxt_switches: %llu", &value) == 1 ||
            sscanf(line, "nonvoluntary_ctxt_switches: %llu", &value) == 1) {
            sum->switches += value;
        }
    }
    fclose(file);

    snprintf(path, sizeof path, "%s/%s/schedstat", folder, thread);
    file = fopen(path, "r");
    if (file == NULL || fscanf(file, "%llu", &value) != 1) skip("this kernel has no schedstat");
    fclose(file);
    sum->cpu_ns += value;
    sum->threads++;
}

/* All threads of a process; in this process, not the main thread, which does the counting. */
static void add_process(pid_t pid, void *sum) {
    char folder[64];
    snprintf(folder, sizeof folder, "/proc/%d/task", (int)pid);
    DIR *threads = opendir(folder);
    CHECK(threads != NULL);
    for (struct dirent *entry; (entry = readdir(threads)) != NULL;) {
        if (entry->d_name[0] != '.' && number(entry->d_name) != (uint64_t)getpid()) {
            add_thread(folder, entry->d_name, sum);
        }
    }
    closedir(threads);
}

static struct activity activity(void) {
    struct activity sum = {0};
    add_process(getpid(), &sum);
    each_child(add_process, &sum);
    return sum;
}

int main(int argc, char **argv) {
    if (argc != 4) die("usage: %s process|thread WORKERS MILLISECONDS", argv[0]);
    uint32_t workers = (uint32_t)number(argv[2]);
    uint64_t ms = number(argv[3]);
    pool_options_t options = options_named(argv[1]);
    options.min_workers = options.max_workers = workers; /* otherwise they exit after an idle timeout */
    pool_t *pool = new_pool_with(&options);
    start_workers(pool, workers);

    sleep_ns(SETTLE_NS);
    struct activity before = activity();
    sleep_ns(ms * 1000000);
    struct activity after = activity();
    CHECK(before.threads == after.threads && after.threads >= workers);
    printf("{\"ms\": %" PRIu64 ", \"threads\": %" PRIu64 ", \"switches\": %" PRIu64
           ", \"cpu_ns\": %" PRIu64 "}\n",
           ms, after.threads, after.switches - before.switches, after.cpu_ns - before.cpu_ns);
    pool_free(pool);
    return 0;
}
