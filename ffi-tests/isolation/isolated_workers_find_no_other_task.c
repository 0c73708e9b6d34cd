/* POOL_ISOLATED: a worker that searches all of its memory finds its own arguments, and nothing of what other
 * workers were given or have returned, nor of what is queued; and it maps one board, of which nobody has a
 * descriptor. */
#include "mappings.h"
#include "rendezvous.h"
#include <sys/wait.h>

enum { WORKERS = 3, SMALL = 48, LARGE = 20000, WORD_BYTES = 16, FOUND_HERE = WORD_FIRST };

/* What is searched for, and what is searched with: the exclusive or of both, which alone is in no memory but
 * that of those who were given it. */
struct search {
    unsigned char mask[WORD_BYTES], masked[2][WORD_BYTES];
    unsigned char own[WORD_BYTES];
};

struct found {
    uint32_t secrets, own, boards;
};

struct context {
    const struct search *search;
    struct found found;
    unsigned char *page;
    size_t size;
};

static bool is_masked(const unsigned char *at, const unsigned char *masked, const unsigned char *mask) {
    for (int i = 0; i < WORD_BYTES; i++) {
        if ((at[i] ^ mask[i]) != masked[i]) return false;
    }
    return true;
}

static void search_page(char *page, void *pointer) {
    struct context *context = (struct context *)pointer;
    const struct search *search = context->search;
    if (!copy_page(context->page, page, context->size)) return;
    for (size_t at = 0; at + WORD_BYTES <= context->size; at += 8) {
        const unsigned char *here = context->page + at;
        for (int i = 0; i < 2; i++) context->found.secrets += is_masked(here, search->masked[i], search->mask);
        context->found.own += memcmp(here, search->own, WORD_BYTES) == 0;
    }
}

static void search_mapping(const struct mapping *mapping, void *pointer) {
    struct context *context = (struct context *)pointer;
    bool is_board = strstr(mapping->name, "memfd:carpool") != NULL;
    context->found.boards += is_board;
    if (mapping->access[0] == 'r') for_each_page(mapping, search_page, context);
}

static int boards_among_descriptors(void) {
    int n = 0;
    for (int fd = 0; fd < 1024; fd++) {
        char path[64], target[256] = "";
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        n += readlink(path, target, sizeof target - 1) > 0 && strstr(target, "memfd:carpool");
    }
    return n;
}

/* Arguments: a search. */
int32_t search_all_memory(pool_task_t *task) {
    struct context context = {.search = (const struct search *)pool_task_args(task, NULL)};
    context.size = (size_t)sysconf(_SC_PAGESIZE);
    context.page = (unsigned char *)malloc(context.size);
    CHECK(context.page != NULL);
    CHECK_EQUAL(boards_among_descriptors(), 0);
    for_each_mapping(search_mapping, &context);
    free(context.page);
    return pool_task_return(task, &context.found, sizeof context.found);
}

/* Arguments: a gate, and a secret many times. The result is another secret. */
int32_t hold_secret(pool_task_t *task) {
    size_t len;
    uint32_t gate;
    const unsigned char *args = (const unsigned char *)pool_task_args(task, &len);
    memcpy(&gate, args, sizeof gate);
    unsigned char *result = (unsigned char *)pool_task_result(task, len);
    CHECK(result != NULL);
    for (size_t i = 0; i < len; i++) result[i] = args[i] ^ 0x3c;
    word_add(gate_started(gate), 1);
    word_wait(gate_open(gate), 1);
    return 0;
}

static future_t *give_secret(pool_t *pool, uint32_t gate, const unsigned char *secret, size_t len) {
    static unsigned char args[LARGE];
    future_t *future;
    memcpy(args, &gate, sizeof gate);
    for (size_t at = WORD_BYTES; at < len; at += WORD_BYTES) memcpy(args + at, secret, WORD_BYTES);
    CHECK_OK(pool_submit(pool, hold_secret, args, len, &future));
    return future;
}

static void check_result(future_t *future, const unsigned char *secret, size_t len) {
    const void *data;
    size_t size;
    CHECK_OK(future_collect(future, POOL_FOREVER, &data, &size));
    CHECK_EQUAL(size, len);
    for (size_t at = WORD_BYTES; at < len; at++) {
        CHECK(((const unsigned char *)data)[at] == (secret[at % WORD_BYTES] ^ 0x3c));
    }
    future_free(future);
}

/* A process that the host forks has no worker's memory. */
static void check_forked_child(void) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) _exit(shared_mappings() ? 1 : 0);
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    if (options.isolation != POOL_ISOLATED) return SKIPPED;
    pool_t *pool = new_pool(&options, WORKERS);
    /* After pool_new: a copy of the caller has what it had then. */
    static struct search search;
    unsigned char secret[WORD_BYTES], answer[WORD_BYTES];
    FILE *random = fopen("/dev/urandom", "r");
    CHECK(random && fread(secret, sizeof secret, 1, random) == 1);
    CHECK(fread(search.mask, sizeof search.mask, 1, random) == 1);
    CHECK(fread(search.own, sizeof search.own, 1, random) == 1);
    fclose(random);
    for (int i = 0; i < WORD_BYTES; i++) {
        answer[i] = secret[i] ^ 0x3c;
        search.masked[0][i] = secret[i] ^ search.mask[i];
        search.masked[1][i] = answer[i] ^ search.mask[i];
    }

    /* Two run, one small and one large; a third searches, and two more are queued meanwhile. */
    future_t *holders[5], *searching;
    holders[0] = give_secret(pool, 0, secret, SMALL);
    holders[1] = give_secret(pool, 0, secret, LARGE);
    word_wait(gate_started(0), 2);
    for (int round = 0; round < 2; round++) {
        struct found found;
        const void *data;
        CHECK_OK(pool_submit(pool, search_all_memory, &search, sizeof search, &searching));
        if (round) {
            holders[2] = give_secret(pool, 1, secret, SMALL);
            holders[3] = give_secret(pool, 1, secret, LARGE);
        }
        CHECK_OK(future_collect(searching, POOL_FOREVER, &data, NULL));
        memcpy(&found, data, sizeof found);
        CHECK(found.own > 0);
        CHECK_EQUAL(found.secrets, 0);
        CHECK_EQUAL(found.boards, 1);
        future_free(searching);
    }
    CHECK_EQUAL(boards_among_descriptors(), 0);
    check_forked_child();
    release(0);
    release(1);
    for (int i = 0; i < 4; i++) check_result(holders[i], secret, i % 2 ? LARGE : SMALL);

    /* Results that are done and held. A new worker searches: those that had the secret may have kept it. */
    holders[4] = give_secret(pool, 1, secret, LARGE);
    CHECK_OK(future_wait(holders[4], POOL_FOREVER));
    CHECK_OK(pool_restart(pool, POOL_RESTART_NOW));
    struct found found;
    CHECK_OK(pool_run(pool, search_all_memory, &search, sizeof search, POOL_FOREVER, &found, sizeof found, NULL));
    CHECK(found.own > 0);
    CHECK_EQUAL(found.secrets, 0);
    check_result(holders[4], secret, LARGE);
    pool_free(pool);
    return leaves_nothing_behind();
}
