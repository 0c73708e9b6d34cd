/* A struct's size is that of a struct of some header, so it is a multiple of 8. Any other one is refused: it
 * would end inside a field, and half a pointer is none. */
#include "rendezvous.h"

enum { BEYOND = 16 };

/* Room behind each struct, so that all bytes of each size can be read. */
struct room_for_options {
    pool_options_t known;
    char beyond[BEYOND];
};

struct room_for_call {
    pool_call_t known;
    char beyond[BEYOND];
};

struct room_for_map {
    pool_map_options_t known;
    char beyond[BEYOND];
};

static bool is_size(size_t size) {
    return size >= sizeof(size_t) && size % 8 == 0;
}

static char owner;

static void on_log(pool_log_level_t level, const char *message, void *user) {
    (void)level;
    CHECK(message != NULL && (user == NULL || user == &owner));
}

static void on_event(const pool_event_t *event, void *user) {
    CHECK(event->message != NULL && (user == NULL || user == &owner));
}

static void on_done(future_t *future, void *user) {
    CHECK(future != NULL && (user == NULL || user == &owner));
}

static void on_drop(void *user) {
    CHECK(user == &owner);
}

static void try_options(pool_options_t options) {
    /* This one needs fork_with_threads, which most of the sizes cut off. */
    if (options.start == POOL_FORK) options.start = POOL_SPAWN;
    options.fork_with_threads = false;
    options.name = "sizes";
    options.max_workers = 1;
    options.initializer.pointer = warm_up;
    options.log = on_log;
    options.on_event = on_event;
    options.user = &owner;
    options.drop = on_drop;
    const char *none[] = {NULL};
    if (options.kind == POOL_PROCESS) {
        options.modules = none;
        options.cwd = "/";
        options.worker_stdin = "/dev/null";
    }
    for (size_t size = 0; size <= sizeof options + BEYOND; size++) {
        struct room_for_options given = {options, {0}};
        pool_t *pool;
        given.known.struct_size = size;
        CHECK_IS(pool_new(&given.known, &pool, NULL), is_size(size) ? POOL_OK : POOL_ERR_INVALID);
        pool_free(pool);
    }
}

static void try_calls(pool_t *pool) {
    const size_t function_ends = offsetof(pool_call_t, task.pointer) + sizeof(pool_task_fn);
    for (size_t size = 0; size <= sizeof(pool_call_t) + BEYOND; size++) {
        struct room_for_call given = {POOL_CALL_INIT, {0}};
        given.known.struct_size = size;
        given.known.task.pointer = warm_up;
        given.known.task.args = "12345678";
        given.known.task.len = 8;
        given.known.tag = UINT64_MAX;
        given.known.on_done = on_done;
        given.known.user = &owner;
        given.known.drop = on_drop;
        bool is_taken = is_size(size) && size >= function_ends;
        CHECK_IS(pool_submit_call(pool, &given.known, NULL), is_taken ? POOL_OK : POOL_ERR_INVALID);
    }
}

static void on_progress(uint64_t done, uint64_t total, void *user) {
    CHECK(done <= total && (user == NULL || user == &owner));
}

static void try_maps(pool_t *pool) {
    for (size_t size = 0; size <= sizeof(pool_map_options_t) + BEYOND; size++) {
        struct room_for_map given = {POOL_MAP_INIT, {0}};
        int items[2] = {1, 2};
        given.known.struct_size = size;
        given.known.deadline_ms = INT32_MAX;
        given.known.on_progress = on_progress;
        given.known.user = &owner;
        CHECK_IS(pool_map(pool, warm_up, items, sizeof items[0], 2, &given.known, NULL, 0, NULL),
                 is_size(size) ? POOL_OK : POOL_ERR_INVALID);
    }
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    try_options(options);
    pool_t *pool = new_pool(&options, 1);
    try_calls(pool);
    try_maps(pool);
    pool_free(pool);
    return leaves_nothing_behind();
}
