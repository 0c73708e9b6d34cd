/* libuv's uv_queue_work. Completions are delivered to the event loop, which the caller runs while it waits.
 * All of this happens in one thread, so a plain flag is sufficient as a future. */
#include "peer.hpp"
#include <string>
#include <uv.h>

struct Work {
    uv_work_t request;
    uint64_t value;
    bool done;
};

struct QueueWork : PeerBase {
    using Future = Work;
    uv_loop_t *loop = uv_default_loop();

    void submit(Work &work, uint64_t x) {
        work.value = x;
        work.done = false;
        work.request.data = &work;
        int status = uv_queue_work(loop, &work.request, run, finish);
        if (status != 0) die("uv_queue_work: %s", uv_strerror(status));
    }

    uint64_t collect(Work &work) {
        while (!work.done) uv_run(loop, UV_RUN_ONCE);
        return work.value;
    }

    static void run(uv_work_t *request) {
        Work *work = static_cast<Work *>(request->data);
        work->value = answer(work->value);
    }

    static void finish(uv_work_t *request, int status) {
        CHECK(status == 0);
        static_cast<Work *>(request->data)->done = true;
    }
};

int main(int argc, char **argv) {
    if (!is_mode(argc, argv, "queue_work")) die("MODE is queue_work");
    CHECK(setenv("UV_THREADPOOL_SIZE", std::to_string(WORKERS).c_str(), 1) == 0);
    QueueWork peer;
    measure(peer, argc, argv);
    return 0;
}
