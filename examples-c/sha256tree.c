/* sha256tree: the SHA-256 of every regular file below some folders, on all CPUs.
 *
 * Prints what sha256sum prints for these files, sorted by path; sha256sum -c checks it. Symbolic
 * links below the folders are not followed; what is neither file nor folder is skipped. What cannot
 * be read is told on stderr, and the rest is done. Exit code: 0; 1 when something was told; 2 when
 * the command line is not as in `usage`.
 *
 * How: this thread walks the folders in the order of the output, and submits each file as a task:
 * path in, digest out. At most WINDOW tasks are in flight; then the oldest is collected and printed
 * before the next is submitted. So memory does not grow with the number of files.
 *
 *     sha256tree/walk.c    finds the files
 *     sha256tree/output.c  prints lines, complaints and the progress bar */
#define _GNU_SOURCE
#include "sha256tree/output.h"
#include "sha256tree/walk.h"

#include <carpool.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: sha256tree [--threads] [--workers N] [--stats FILE] FOLDER...\n"
    "  --threads     the workers are threads, not processes\n"
    "  --workers N   how many, at most 1024; without it one for each CPU\n"
    "  --stats FILE  leaves one line there: files=N bytes=N seconds=S workers=N\n";

enum {
    WINDOW = 4096,      /* So small files keep workers busy while a large one holds up the line. */
    CHUNK = 128 * 1024, /* Takes much longer than a system call, and is little for a stack. */
};

/* ---- the task, which runs in a worker ------------------------------------------------------ */

struct hash {
    unsigned char digest[32];
    uint64_t size;
};

static int32_t fail(pool_task_t *task, int error) {
    return pool_task_fail(task, error, strerror(error));
}

/* Arguments: the path of a file. Result: a struct hash. */
static int32_t hash_file(pool_task_t *task) {
    struct hash *hash = pool_task_result(task, sizeof *hash);
    if (!hash) return fail(task, ENOMEM);
    int file = open(pool_task_args(task, NULL), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0) return fail(task, errno);

    EVP_MD_CTX *sha256 = EVP_MD_CTX_new();
    bool good = sha256 && EVP_DigestInit_ex(sha256, EVP_sha256(), NULL);
    unsigned char chunk[CHUNK];
    ssize_t n = 0;
    hash->size = 0;
    while (good && (n = read(file, chunk, sizeof chunk)) > 0) {
        good = EVP_DigestUpdate(sha256, chunk, (size_t)n);
        hash->size += (uint64_t)n;
        pool_task_progress(task, hash->size, 0);
    }
    int error = n < 0 ? errno : 0;
    good = good && EVP_DigestFinal_ex(sha256, hash->digest, NULL);
    EVP_MD_CTX_free(sha256);
    close(file);
    if (error) return fail(task, error);
    return good ? 0 : pool_task_fail(task, ENOTSUP, "libcrypto refuses to do SHA-256");
}

/* ---- the tasks in flight -------------------------------------------------------------------- */

static pool_t *pool;

/* A ring: the task with the number i, counted from 0, is in window[i % WINDOW]. */
static struct {
    char *path;
    future_t *future;
} window[WINDOW];
static uint64_t submitted, collected;

static struct {
    uint64_t files, bytes;
} hashed;
static uint64_t files_found; /* Counted only for the progress bar. */

static void give_up(pool_status_t status) {
    pool_error_t error;
    bool told = pool_check(pool, &error) != POOL_OK;
    end_output();
    complain("pool", told ? error.message : pool_status_string(status));
    exit(1);
}

/* Waits, and lets the bar grow meanwhile. */
static pool_status_t wait_for(future_t *future, const void **result) {
    pool_status_t status;
    while ((status = future_collect(future, 100, result, NULL)) == POOL_ERR_TIMEOUT) {
        uint64_t bytes;
        if (future_progress(future, &bytes, NULL) != POOL_OK) bytes = 0;
        draw_bar(collected, files_found, hashed.bytes + bytes);
    }
    return status;
}

static void collect_oldest(void) {
    char *path = window[collected % WINDOW].path;
    future_t *future = window[collected % WINDOW].future;
    const void *result;
    pool_status_t status = wait_for(future, &result);
    if (status == POOL_OK) {
        const struct hash *hash = result;
        print_digest(hash->digest, path);
        hashed.files++;
        hashed.bytes += hash->size;
    } else {
        pool_error_t error;
        bool told = future_error(future, &error) == POOL_OK && error.message[0];
        complain(path, told ? error.message : pool_status_string(status));
    }
    collected++;
    future_free(future);
    free(path);
    draw_bar(collected, files_found, hashed.bytes);
}

static void submit(char *path, int error) {
    if (error) {
        complain(path, strerror(error));
        return;
    }
    if (submitted - collected == WINDOW) collect_oldest();
    future_t *future;
    pool_status_t status = pool_submit(pool, hash_file, path, strlen(path) + 1, &future);
    if (status != POOL_OK) give_up(status);
    window[submitted % WINDOW].path = path;
    window[submitted % WINDOW].future = future;
    submitted++;
}

static void count(char *path, int error) {
    if (error) return;
    files_found++;
    free(path);
}

/* ---- the whole ------------------------------------------------------------------------------ */

struct wishes {
    pool_options_t options;
    const char *stats; /* The file for them, or NULL. */
    char **folders;
    size_t n;
};

static void misused(void) {
    fputs(usage, stderr);
    exit(2);
}

static struct wishes read_command_line(int argc, char **argv) {
    static const struct option names[] = {{"threads", no_argument, NULL, 't'},
                                          {"workers", required_argument, NULL, 'w'},
                                          {"stats", required_argument, NULL, 's'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    struct wishes wishes = {.options = POOL_OPTIONS_INIT};
    unsigned long workers = pool_available_cpus(); /* More would only help with slow disks. */
    for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        char *end = "";
        if (name == 't') wishes.options.kind = POOL_THREAD;
        else if (name == 'w') workers = strtoul(optarg, &end, 10);
        else if (name == 's') wishes.stats = optarg;
        else if (name == 'h') exit(puts(usage) == EOF);
        else misused();
        if (*end || workers < 1 || workers > 1024) misused();
    }
    if (optind == argc) misused();
    wishes.options.max_workers = (uint32_t)workers;
    wishes.folders = argv + optind;
    wishes.n = (size_t)(argc - optind);
    return wishes;
}

static void leave_stats(const char *path, double time) {
    FILE *file = fopen(path, "w");
    if (file) {
        fprintf(file, "files=%" PRIu64 " bytes=%" PRIu64 " seconds=%.6f workers=%" PRIu32 "\n",
                hashed.files, hashed.bytes, time, pool_count_workers(pool));
    }
    if (!file || fclose(file) != 0) complain(path, strerror(errno));
}

int main(int argc, char **argv) {
    struct wishes wishes = read_command_line(argc, argv);
    double began = seconds();
    pool_error_t error;
    if (pool_new(&wishes.options, &pool, &error) != POOL_OK) {
        complain("pool", error.message);
        return 1;
    }
    if (begin_bar()) walk_all(wishes.folders, wishes.n, count);
    walk_all(wishes.folders, wishes.n, submit);
    while (collected < submitted) collect_oldest();
    end_output();
    if (wishes.stats) leave_stats(wishes.stats, seconds() - began);
    pool_free(pool);
    return has_complained();
}
