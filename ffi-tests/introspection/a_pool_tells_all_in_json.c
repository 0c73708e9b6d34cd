/* pool_info_json returns text that Python's parser reads, whatever characters the names contain, with the
 * same values as the other functions; and the length that it needs. */
#include "rendezvous.h"
#include <sys/wait.h>

static const char *const program =
    "import json, sys\n"
    "info = json.load(open(sys.argv[1], encoding='utf-8'))\n"
    "kind, pid = sys.argv[2], int(sys.argv[3])\n"
    "name = 'odd \\\\ \"name\"\\n\\t\\x01\\x7f \\u20ac'\n"
    "assert info['name'] == name, ascii(info['name'])\n"
    "assert info['kind'] == {'thread': 'thread', 'inline': 'inline'}.get(kind, 'process'), info['kind']\n"
    "assert info['start_method'] == (kind if info['kind'] == 'process' else None)\n"
    "assert info['isolated'] == (len(sys.argv) > 4), info['isolated']\n"
    "assert info['implementation']['name'] == 'carpool' and info['implementation']['version']\n"
    "assert info['max_concurrency'] == 2 or kind == 'inline', info['max_concurrency']\n"
    "assert info['max_tasks_per_worker'] == 1000 and info['max_memory_per_worker'] is None\n"
    "assert info['put_guarded_by_semaphore'] == (kind != 'inline')\n"
    "assert info['max_pending'] == (50 if kind != 'inline' else None), info['max_pending']\n"
    "assert info['processes'] == ([pid] if info['kind'] == 'process' else []), info['processes']\n"
    "assert info['num_processes'] == len(info['workers']) == 1, info['workers']\n"
    "assert info['pending'] == 0 and info['waiting_submits'] == 0 and info['busy'] == (kind != 'inline')\n"
    "assert info['state'] == dict(bits=1, closed=True, broken=False, terminated=False, joining=False, paused=False)\n"
    "assert info['writes']['total'] == sum(info['writes']['all']), info['writes']\n"
    "assert info['stats']['tasks_submitted'] == info['writes']['total'], info['stats']\n"
    "assert len(info['stats']['run_ns']) == 64\n"
    "worker = info['workers'][0]\n"
    "assert worker['state'] == ('idle' if kind == 'inline' else 'busy'), worker\n"
    "if kind != 'inline':\n"
    "    assert worker['task_id'] and worker['running_ms'] >= 0, worker\n"
    "    assert isinstance(worker['function'], str)\n"
    "assert info['timeouts'] == dict(soft_ms=None, hard_ms=None), info['timeouts']\n";

static int python(const char *path, const pool_options_t *options, const char *pid) {
    static const char *const starts[] = {"spawn", "forkserver", "fork"};
    const char *kind = options->kind == POOL_THREAD   ? "thread"
                       : options->kind == POOL_INLINE ? "inline"
                                                      : starts[options->start];
    const char *isolated = options->isolation == POOL_ISOLATED ? "isolated" : NULL;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        execlp("python3", "python3", "-c", program, path, kind, pid, isolated, (char *)NULL);
        _exit(SKIPPED);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static char *info_of(pool_t *pool, size_t *len) {
    size_t again;
    CHECK_IS(pool_info_json(pool, NULL, 0, len), POOL_ERR_TOO_LARGE);
    size_t capacity = 2 * *len; /* ages and numbers may have grown meanwhile */
    char *text = (char *)malloc(capacity);
    CHECK_OK(pool_info_json(pool, text, capacity, &again));
    CHECK_EQUAL(strlen(text), again);
    *len = again;
    return text;
}

static void check_room(pool_t *pool) {
    size_t len = 99;
    char small[4] = "abc";
    CHECK_IS(pool_info_json(pool, small, sizeof small, &len), POOL_ERR_TOO_LARGE);
    CHECK(len > 500 && small[0] == 0 && small[1] == 'b');
    CHECK_IS(pool_info_json(pool, NULL, 0, NULL), POOL_ERR_TOO_LARGE);
    CHECK_IS(pool_info_json(pool, NULL, 5, &len), POOL_ERR_INVALID);
    CHECK_EQUAL(len, 0);
    len = 99;
    CHECK_IS(pool_info_json(NULL, small, sizeof small, &len), POOL_ERR_INVALID);
    CHECK_EQUAL(len, 0);
    char *text = info_of(pool, &len);
    CHECK_IS(pool_info_json(pool, text, len / 2, &len), POOL_ERR_TOO_LARGE);
    CHECK(text[0] == 0);
    free(text);
}

int main(int argc, char **argv) {
    pool_options_t options = test_begin(argc, argv);
    options.name = "odd \\ \"name\"\n\t\x01\x7f \xe2\x82\xac";
    options.max_tasks_per_worker = 1000;
    if (options.kind != POOL_INLINE) options.max_pending = 50;
    pool_t *pool = new_pool(&options, 2);
    int64_t pid = pid_of_any_worker(pool);
    future_t *running = NULL;
    if (options.kind != POOL_INLINE) occupy(pool, 0, 1, &running);
    CHECK_OK(pool_close(pool));

    char path[4096], number[32];
    size_t len;
    char *text = info_of(pool, &len);
    snprintf(path, sizeof path, "%s/info.json", getenv("TEST_TMP"));
    FILE *file = fopen(path, "w");
    CHECK(file && fwrite(text, 1, len, file) == len && fclose(file) == 0);
    free(text);
    snprintf(number, sizeof number, "%lld", (long long)pid);
    int status = python(path, &options, number);
    CHECK(status == 0 || status == SKIPPED);
    check_room(pool);
    release(0);
    future_free(running);
    pool_free(pool);
    CHECK_IS(pool_info_json(pool, NULL, 0, &len), POOL_ERR_INVALID);
    return leaves_nothing_behind();
}
