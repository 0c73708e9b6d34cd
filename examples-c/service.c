/* service: a small server that factors numbers, with one event loop and a pool of worker processes.
 *
 *     service SOCKET [SOFT_MS HARD_MS GRACE_MS]
 *
 * Clients connect to the UNIX socket and send lines; each is answered by one line, as soon as it is done,
 * that begins with its number on the connection:
 *
 *     factor 91        1 ok 7 13
 *     nap 100          2 ok             sleeps so many milliseconds, whatever happens
 *     crash            3 error ...      a worker dies, and nothing else
 *
 * A request that runs for more than SOFT_MS gives up by itself, if it listens; after HARD_MS it is ended.
 *
 *     SIGHUP           replaces the workers, one after the other; no request is lost
 *     SIGUSR1          prints the pool's state as a line of JSON
 *     SIGTERM, SIGINT  stops: first everything runs to its end. Again, or after GRACE_MS: what waits is
 *                      cancelled. Once more: what runs is killed
 *
 * Exit code: 0 when all requests have run to their end, 1 when some were cancelled, 2 for other errors.
 *
 * How: a pool made with POOL_DRIVER_EXTERNAL calls back in pool_process_events and nowhere else. So all
 * that is below runs in one thread, but for the tasks, and nothing has to be locked. */
#define _GNU_SOURCE
#include <carpool.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_LEN = 200, ANSWER_MAX = 400, UNREAD_MAX = 1 << 20, EVENTS = 64 };

static void must(int is_good, const char *what) {
    if (is_good) return;
    fprintf(stderr, "service: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* ---- the task, which runs in a worker -------------------------------------------------------- */

static int32_t factor(pool_task_t *task, uint64_t n) {
    char text[ANSWER_MAX] = "";
    size_t len = 0;
    for (uint64_t divisor = 2; n > 1; divisor++) {
        if (divisor > n / divisor) divisor = n; /* What is left is a prime number. */
        for (; n % divisor == 0; n /= divisor) {
            len += (size_t)snprintf(text + len, sizeof text - len, " %" PRIu64, divisor);
        }
        if (divisor % 65536 == 0 && pool_task_cancelled(task)) {
            return pool_task_fail(task, 1, "it would take too long");
        }
    }
    return pool_task_return(task, text, len);
}

static int32_t nap(pool_task_t *task, uint64_t ms) {
    struct timespec left = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) == -1) continue;
    return pool_task_return(task, "", 0);
}

/* Arguments: a line, with its NUL. */
static int32_t serve(pool_task_t *task) {
    const char *line = pool_task_args(task, NULL);
    uint64_t number = 0;
    int has_number = sscanf(line, "%*s %" SCNu64, &number) == 1;
    if (strncmp(line, "factor ", 7) == 0 && has_number && number > 0) return factor(task, number);
    if (strncmp(line, "nap ", 4) == 0 && has_number) return nap(task, number);
    if (strcmp(line, "crash") == 0) abort();
    return pool_task_fail(task, 2, "neither factor N, nap MS nor crash");
}

/* ---- clients and their requests -------------------------------------------------------------- */

struct client {
    int fd; /* -1: it has left, and the requests that run are the last that know of it. */
    unsigned uses;
    uint64_t requests;
    size_t len, unread; /* What it has sent of a line, and what it has not taken of the answers. */
    char line[LINE_MAX_LEN], *answers;
    struct client *next, **place; /* Among all that are connected. */
};

struct request {
    struct client *client;
    uint64_t number;
};

static pool_t *pool;
static struct client *clients;
static int epoll, listener, signals;

static void release(struct client *client) {
    if (--client->uses > 0) return;
    free(client->answers);
    free(client);
}

static void leave(struct client *client) {
    if (client->fd == -1) return;
    close(client->fd);
    client->fd = -1;
    *client->place = client->next;
    if (client->next) client->next->place = client->place;
    release(client);
}

/* Sends what the client takes now; the loop calls again when it takes more. */
static void send_answers(struct client *client) {
    ssize_t n = send(client->fd, client->answers, client->unread, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n == -1 && errno != EAGAIN) {
        leave(client);
        return;
    }
    client->unread -= n > 0 ? (size_t)n : 0;
    if (n > 0) memmove(client->answers, client->answers + n, client->unread);
    uint32_t wanted = EPOLLIN | (client->unread > 0 ? (uint32_t)EPOLLOUT : 0);
    struct epoll_event event = {.events = wanted, .data.ptr = client};
    must(epoll_ctl(epoll, EPOLL_CTL_MOD, client->fd, &event) == 0, "epoll_ctl");
}

/* A client that reads no answers is sent away in the end. */
static void answer(struct client *client, uint64_t number, const char *verdict, const char *text,
                   size_t len) {
    if (client->fd == -1) return;
    client->answers = realloc(client->answers, client->unread + ANSWER_MAX + 64);
    must(client->answers != NULL, "realloc");
    client->unread += (size_t)snprintf(client->answers + client->unread, ANSWER_MAX + 64,
                                       "%" PRIu64 " %s%.*s\n", number, verdict, (int)len, text);
    if (client->unread > UNREAD_MAX) leave(client);
    else send_answers(client);
}

static void on_done(future_t *future, void *user) {
    struct request *request = user;
    pool_error_t error;
    const void *text;
    size_t len;
    if (future_result(future, &text, &len) == POOL_OK) {
        answer(request->client, request->number, "ok", text, len);
    } else if (future_error(future, &error) == POOL_OK) {
        answer(request->client, request->number, "error ", error.message, strlen(error.message));
    }
}

static void on_timeout(future_t *future, bool soft, int64_t limit_ms, void *user) {
    const struct request *request = user;
    (void)future;
    fprintf(stderr, "service: request %" PRIu64 " has run for %" PRId64 " ms: %s\n",
            request->number, limit_ms, soft ? "it is asked to end" : "it is ended");
}

/* Called once for each request, also for one that the pool does not take. */
static void on_drop(void *user) {
    struct request *request = user;
    release(request->client);
    free(request);
}

static void submit(struct client *client, const char *line) {
    uint64_t number = ++client->requests;
    struct request *request = malloc(sizeof *request);
    must(request != NULL, "malloc");
    *request = (struct request){client, number};
    client->uses++;
    pool_call_t call = POOL_CALL_INIT;
    call.task = (pool_function_t){.pointer = serve, .args = line, .len = strlen(line) + 1};
    call.on_done = on_done;
    call.on_timeout = on_timeout;
    call.user = request;
    call.drop = on_drop;
    pool_status_t status = pool_submit_call(pool, &call, NULL);
    const char *why = pool_status_string(status);
    if (status != POOL_OK) answer(client, number, "error ", why, strlen(why));
}

/* Submits the lines that have come. */
static void read_from(struct client *client) {
    ssize_t n = recv(client->fd, client->line + client->len, LINE_MAX_LEN - client->len, MSG_DONTWAIT);
    if (n == -1 && (errno == EAGAIN || errno == EINTR)) return;
    client->len += n > 0 ? (size_t)n : 0;
    char *start = client->line, *end = client->line + client->len, *newline;
    for (; (newline = memchr(start, '\n', (size_t)(end - start))) != NULL; start = newline + 1) {
        *newline = 0;
        submit(client, start);
    }
    client->len = (size_t)(end - start);
    memmove(client->line, start, client->len);
    if (n <= 0 || client->len == LINE_MAX_LEN) leave(client); /* It has left, or the line is too long. */
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void watch(int fd, void *what) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};
    must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

static void welcome(void) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd == -1) return;
    struct client *client = calloc(1, sizeof *client);
    must(client != NULL, "calloc");
    *client = (struct client){.fd = fd, .uses = 1, .next = clients, .place = &clients};
    if (clients) clients->place = &client->next;
    clients = client;
    watch(fd, client);
}

static void tell_state(void) {
    char text[65536];
    if (pool_info_json(pool, text, sizeof text, NULL) == POOL_OK) printf("%s\n", text);
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* How the service stops: one stage after the other, each for so long at most. */
static const pool_stop_t stages[] = {POOL_STOP_DRAIN, POOL_STOP_CANCEL, POOL_STOP_KILL};
static int stage = -1;
static int64_t grace_ms = 10000, stage_ends_ms;

static void stop_harder(void) {
    if (stage == -1) close(listener); /* Also takes it out of the loop. */
    if (stage < 2) stage++;
    stage_ends_ms = now_ms() + grace_ms;
}

/* Whether all has come to its end. The stop goes on by itself; this looks again now and then. */
static int is_over(void) {
    if (stage == -1) return 0;
    if (now_ms() >= stage_ends_ms) stop_harder();
    return pool_shutdown(pool, stages[stage], 0) != POOL_ERR_TIMEOUT;
}

static void heed_signal(void) {
    struct signalfd_siginfo info;
    if (read(signals, &info, sizeof info) != sizeof info) return;
    if (info.ssi_signo == SIGHUP) pool_restart(pool, POOL_RESTART_GRACEFUL);
    if (info.ssi_signo == SIGUSR1) tell_state();
    if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) stop_harder();
}

static void serve_client(struct client *client, uint32_t events) {
    client->uses++; /* It may leave meanwhile. */
    if (events & EPOLLOUT) send_answers(client);
    if (events & ~(uint32_t)EPOLLOUT && client->fd != -1) read_from(client);
    release(client);
}

static void run(void) {
    struct epoll_event events[EVENTS];
    while (!is_over()) {
        int64_t wait_ms = pool_next_timeout_ms(pool);
        if (stage != -1 && (wait_ms == POOL_FOREVER || wait_ms > 20)) wait_ms = 20;
        int n = epoll_wait(epoll, events, EVENTS, (int)wait_ms);
        must(n >= 0 || errno == EINTR, "epoll_wait");
        for (int i = 0; i < n; i++) {
            void *what = events[i].data.ptr;
            if (what == &listener) welcome();
            else if (what == &signals) heed_signal();
            else if (what != &pool) serve_client(what, events[i].events);
        }
        pool_process_events(pool, NULL); /* Last: it may send clients away, whose events were above. */
    }
}

int main(int argc, char **argv) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if ((argc != 2 && argc != 5) || strlen(argv[1]) >= sizeof address.sun_path) {
        fprintf(stderr, "usage: service SOCKET [SOFT_MS HARD_MS GRACE_MS]\n");
        return 2;
    }
    pool_options_t options = POOL_OPTIONS_INIT;
    pool_error_t error;
    options.name = "service";
    options.driver = POOL_DRIVER_EXTERNAL;
    options.soft_limit_ms = argc == 5 ? atoll(argv[2]) : 5000;
    options.hard_limit_ms = argc == 5 ? atoll(argv[3]) : 10000;
    if (argc == 5) grace_ms = atoll(argv[4]);
    if (pool_new(&options, &pool, &error) != POOL_OK) {
        fprintf(stderr, "service: %s\n", error.message);
        return 2;
    }

    sigset_t wanted;
    sigemptyset(&wanted);
    const int numbers[] = {SIGHUP, SIGUSR1, SIGTERM, SIGINT};
    for (int i = 0; i < 4; i++) sigaddset(&wanted, numbers[i]);
    sigprocmask(SIG_BLOCK, &wanted, NULL);
    must((signals = signalfd(-1, &wanted, SFD_CLOEXEC)) >= 0, "signalfd");

    strcpy(address.sun_path, argv[1]);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    must(bind(listener, (struct sockaddr *)&address, sizeof address) == 0, argv[1]);
    must(listen(listener, 128) == 0, "listen");
    must((epoll = epoll_create1(EPOLL_CLOEXEC)) >= 0, "epoll_create1");
    watch(listener, &listener);
    watch(signals, &signals);
    watch(pool_fd(pool), &pool);
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("ready\n");

    run();
    while (clients) leave(clients);
    pool_free(pool);
    unlink(argv[1]);
    return stage > 0;
}
