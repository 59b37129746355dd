/*
 * load: a cheap, neutral WebSocket load generator. One thread, epoll, connects to 127.0.0.1 only.
 *
 * MODES (-m)
 *   fan    -c watchers and one publisher. The publisher sends a round of -k publications and the next round when
 *          every watcher has got that many messages. With -R instead: at that rate, whatever arrives.
 *   press  -c connections, each with -w requests under way; the next is sent when an answer arrives. With -R instead:
 *          at that rate, by one after the other, whatever is under way.
 *   idle   -c connections that say what -s says, and then nothing: what they cost in memory.
 *
 * OPTIONS
 *   -p PORT  -P PATH (of watchers, default /)  -u PATH (of the publisher)  -U publish with HTTP POST to that path
 *   -d SECONDS measured  -W SECONDS before that (1)  -x PID whose processor time is counted (repeatable)
 *   -H HEADER (repeatable)  -B as many headers as a browser sends  -S N spread over N source addresses
 *   -s TEXT sent when a connection is open (repeatable)  -q TEXT the same for the publisher
 *   -b TEXT one publication or request, in which {n} is a running number from 1, {k} one of this connection, {c} the
 *           number of the connection, {i} one of -I items in turn, {r} twelve random digits, {t} the time in us
 *   -f PREFIX only messages that begin so count (repeatable)
 *   -n TEXT  a message that counts counts as often as it holds this   -E answer engine.io's "2" with "3"
 *   -L fan: latency, by "t":<us> in every sixteenth watcher's messages
 *   -y USEC how often the sockets are looked at (200). A sleeping reader would cost the server 2 to 4 us per send()
 *           to wake it, which readers behind a network card do not.
 *
 * RESULT: one JSON object. Processor time is the kernel's run time of every thread (schedstat), in us per message;
 * `loop_us` is that of the main threads alone. It is robust to other programs; rates and latencies are not.
 *
 * BOUNDS: 60,000 connections, 60 s measured, ends itself after 240 s.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LIST_MAX 16
#define TEXT_MAX 4096
#define READ_MAX (256 * 1024)

enum state { CONNECTING, HANDSHAKE, OPEN, CLOSED };

struct connection {
    int fd, id, is_publisher;
    enum state state;
    uint8_t *rest, *unsent; /* of the last read, of the last write: rarely any */
    size_t rest_n, rest_max, unsent_n, unsent_max;
    uint64_t sent, answered; /* press: requests; sent_at holds the newest -w */
    uint64_t *sent_at;
};

struct list { const char *texts[LIST_MAX]; int n; };

static struct {
    int port, connections, window, round, engine_io, latency, sources, http_publish, browser, items, look_us;
    double seconds, warm_s, rate;
    const char *mode, *path, *publish_path, *body, *counted;
    struct list headers, hellos, publisher_hellos, prefixes;
    int pids[16], pids_n;
} ask = {.connections = 1, .window = 1, .round = 1, .items = 1, .look_us = 200, .seconds = 8, .warm_s = 1,
         .mode = "fan", .path = "/", .publish_path = "/", .body = "x"};

static struct connection *all, *publisher;
static int poller, is_press, is_measuring;
static uint64_t messages, bytes, reads, published, number, opened, closed, faults;
static uint64_t first_message, next_publish_ns;

static void fail(const char *what) { perror(what); exit(1); }

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* ---- latencies: a histogram of 64 buckets per power of two, in us ---- */

static uint64_t buckets[64 * 40], latencies, latency_max;

static void note_latency(uint64_t us) {
    int bucket = us;
    if (us >= 64) {
        int exponent = 63 - __builtin_clzll(us);
        bucket = (exponent - 5) * 64 + ((us >> (exponent - 6)) & 63);
    }
    if (us > latency_max) latency_max = us;
    buckets[bucket < 64 * 40 ? bucket : 64 * 40 - 1]++;
    latencies++;
}

static double percentile(double share) {
    uint64_t wanted = share * latencies, seen = 0;
    for (int bucket = 0; bucket < 64 * 40; bucket++)
        if ((seen += buckets[bucket]) > wanted)
            return bucket < 64 ? bucket : (double)((64ull + (bucket & 63)) << (bucket / 64 - 1));
    return 0;
}

/* ---- what is sent ---- */

static uint64_t random_number(void) {
    static uint64_t x = 88172645463325252ull;
    x ^= x << 13; x ^= x >> 7; x ^= x << 17;
    return x;
}

static int masked(uint8_t *to, int opcode, const uint8_t *payload, int n) {
    uint32_t key = random_number();
    uint8_t *mask = (uint8_t *)&key, *at = to;
    *at++ = 0x80 | opcode;
    if (n < 126) *at++ = 0x80 | n;
    else { *at++ = 0x80 | 126; *at++ = n >> 8; *at++ = n; }
    memcpy(at, mask, 4);
    at += 4;
    for (int i = 0; i < n; i++) *at++ = payload[i] ^ mask[i & 3];
    return at - to;
}

/* The text with its {x} filled in, as a masked frame. */
static int written(uint8_t *to, const char *text, struct connection *c) {
    char payload[TEXT_MAX];
    int n = 0, is_numbered = strstr(text, "{n}") || strstr(text, "{i}") || strstr(text, "{k}");
    if (is_numbered) { number++; c->sent++; }
    for (const char *at = text; *at && n < TEXT_MAX - 64; at++) {
        if (at[0] != '{' || !at[1] || at[2] != '}' || !strchr("nkcirt", at[1])) { payload[n++] = *at; continue; }
        switch (at[1]) {
        case 'n': n += sprintf(payload + n, "%llu", (unsigned long long)number); break;
        case 'k': n += sprintf(payload + n, "%llu", (unsigned long long)c->sent); break;
        case 'c': n += sprintf(payload + n, "%d", c->id); break;
        case 'i': n += sprintf(payload + n, "%llu", (unsigned long long)(number % ask.items)); break;
        case 'r': n += sprintf(payload + n, "%012llx", (unsigned long long)(random_number() & 0xffffffffffffull)); break;
        case 't': n += sprintf(payload + n, "%llu", (unsigned long long)(now_ns() / 1000)); break;
        }
        at += 2;
    }
    return masked(to, 1, (uint8_t *)payload, n);
}

static void want(struct connection *c, uint32_t events, int how) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    epoll_ctl(poller, how, c->fd, &event);
}

static void let_go(struct connection *c) {
    if (c->state == CLOSED) return;
    if (c->state == OPEN) opened--;
    close(c->fd);
    c->state = CLOSED;
    closed++;
}

static void keep(uint8_t **to, size_t *n, size_t *max, const uint8_t *data, size_t more) {
    if (*n + more > *max) {
        *max = (*n + more) * 2;
        if (!(*to = realloc(*to, *max))) fail("memory");
    }
    memcpy(*to + *n, data, more);
    *n += more;
}

static void send_all(struct connection *c, const uint8_t *data, size_t n) {
    if (c->state == CLOSED) return;
    if (!c->unsent_n) {
        ssize_t sent = send(c->fd, data, n, MSG_NOSIGNAL);
        if (sent == (ssize_t)n) return;
        if (sent < 0 && errno != EAGAIN) { let_go(c); return; }
        if (sent > 0) { data += sent; n -= sent; }
        want(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    }
    keep(&c->unsent, &c->unsent_n, &c->unsent_max, data, n);
}

static void send_unsent(struct connection *c) {
    ssize_t sent = send(c->fd, c->unsent, c->unsent_n, MSG_NOSIGNAL);
    if (sent < 0) { if (errno != EAGAIN) let_go(c); return; }
    c->unsent_n -= sent;
    memmove(c->unsent, c->unsent + sent, c->unsent_n);
    if (!c->unsent_n) want(c, EPOLLIN, EPOLL_CTL_MOD);
}

static void send_list(struct connection *c, const struct list *list) {
    uint8_t frame[TEXT_MAX + 16];
    for (int i = 0; i < list->n; i++) send_all(c, frame, written(frame, list->texts[i], c));
}

/* So many requests more, in one write. */
static void send_requests(struct connection *c, int more) {
    static uint8_t frames[1 << 18];
    size_t n = 0;
    uint64_t now = now_ns();
    while (more-- > 0) {
        n += written(frames + n, ask.body, c);
        c->sent_at[(c->sent - 1) % ask.window] = now;
        if (n > sizeof frames - TEXT_MAX - 16) { send_all(c, frames, n); n = 0; }
    }
    if (n) send_all(c, frames, n);
}

static void publish(void) {
    uint8_t frame[2 * TEXT_MAX];
    int n = written(frame, ask.body, publisher);
    if (ask.http_publish) { /* nchan: the text alone, as the body of a POST */
        int header = frame[1] == (0x80 | 126) ? 8 : 6, length = n - header;
        for (int i = 0; i < length; i++) frame[header + i] ^= frame[header - 4 + (i & 3)];
        char post[2 * TEXT_MAX];
        n = sprintf(post, "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%.*s", ask.publish_path,
                    length, length, frame + header);
        send_all(publisher, (uint8_t *)post, n);
    } else send_all(publisher, frame, n);
    published++;
}

/* Every watcher has all that was published: the next round. Or at the rate that was asked for. */
static void go_on_publishing(void) {
    if (publisher->state != OPEN) return;
    if (ask.rate > 0) {
        for (uint64_t now = now_ns(); now >= next_publish_ns; next_publish_ns += 1e9 / ask.rate) {
            if (now - next_publish_ns > 100000000) next_publish_ns = now; /* held up: it does not catch up */
            publish();
        }
    } else if (messages - first_message >= published * ask.connections)
        for (int i = 0; i < ask.round; i++) publish();
}

static void go_on_pressing(void) {
    static int next;
    for (uint64_t now = now_ns(); now >= next_publish_ns; next_publish_ns += 1e9 / ask.rate) {
        if (now - next_publish_ns > 100000000) next_publish_ns = now;
        struct connection *c = &all[next++ % ask.connections];
        if (c->state == OPEN && c->sent - c->answered < (uint64_t)ask.window) send_requests(c, 1);
    }
}

/* ---- what arrives ---- */

static int does_count(const uint8_t *payload, uint64_t n) {
    for (int i = 0; i < ask.prefixes.n; i++) {
        size_t length = strlen(ask.prefixes.texts[i]);
        if (n >= length && !memcmp(payload, ask.prefixes.texts[i], length)) return 1;
    }
    return !ask.prefixes.n;
}

/* As how many messages this one counts. */
static int times(const uint8_t *payload, uint64_t n) {
    int found = 0;
    if (!ask.counted) return 1;
    for (const uint8_t *at = payload, *end = payload + n; (at = memmem(at, end - at, ask.counted, strlen(ask.counted))); at++) found++;
    return found;
}

static void note_message(struct connection *c, const uint8_t *payload, uint64_t n) {
    if (is_press && c->answered < c->sent) {
        uint64_t sent_at = c->sent_at[c->answered++ % ask.window];
        if (is_measuring) note_latency((now_ns() - sent_at) / 1000);
    } else if (ask.latency && is_measuring && (c->id & 15) == 0) {
        const uint8_t *stamp = memmem(payload, n, "\"t\":", 4);
        uint64_t sent_us = stamp ? strtoull((char *)stamp + 4, NULL, 10) : 0, us = now_ns() / 1000;
        if (sent_us && us >= sent_us) note_latency(us - sent_us);
    }
}

/* Whole frames in data; how many bytes they took. `counted` is how many messages counted. */
static size_t take_frames(struct connection *c, uint8_t *data, size_t n, int *counted) {
    size_t at = 0;
    while (n - at >= 2) {
        uint8_t *frame = data + at, answer[160];
        uint64_t length = frame[1] & 0x7f, header = length == 127 ? 10 : length == 126 ? 4 : 2;
        if (frame[0] & 0x70 || frame[1] & 0x80) { faults++; let_go(c); return n; } /* no extension; not masked */
        if (n - at < header) break;
        if (header > 2) for (uint64_t i = 2, all = length = 0; i < header; i++) length = all = all << 8 | frame[i];
        if (n - at < header + length) break;
        uint8_t *payload = frame + header;
        int opcode = frame[0] & 15;
        if (opcode == 8) { let_go(c); return n; }
        if (opcode == 9) send_all(c, answer, masked(answer, 10, payload, length > 125 ? 125 : length));
        else if (ask.engine_io && length == 1 && *payload == '2') send_all(c, answer, masked(answer, 1, (uint8_t *)"3", 1));
        else if (opcode <= 2 && !c->is_publisher && does_count(payload, length)) {
            note_message(c, payload, length);
            *counted += times(payload, length);
        }
        at += header + length;
    }
    return at;
}

static void on_read(struct connection *c) {
    static uint8_t data[READ_MAX + 1];
    size_t n = c->rest_n, taken = 0;
    int counted = 0;
    if (n) memcpy(data, c->rest, n);
    ssize_t got = recv(c->fd, data + n, READ_MAX - n, 0);
    if (got <= 0) { if (got == 0 || errno != EAGAIN) let_go(c); return; }
    n += got; c->rest_n = 0;
    if (!c->is_publisher) { reads++; bytes += got; }
    if (c->state == HANDSHAKE) {
        data[n] = 0;
        char *end = strstr((char *)data, "\r\n\r\n");
        if (end && strncmp((char *)data, "HTTP/1.1 101", 12)) {
            fprintf(stderr, "refused: %.200s\n", data);
            let_go(c);
            return;
        }
        if (end) {
            taken = end + 4 - (char *)data;
            c->state = OPEN;
            opened++;
            send_list(c, c->is_publisher ? &ask.publisher_hellos : &ask.hellos);
        }
    }
    if (c->state == OPEN && !(c->is_publisher && ask.http_publish)) taken += take_frames(c, data + taken, n - taken, &counted);
    else if (c->state == OPEN) taken = n;
    messages += counted;
    if (is_press && !ask.rate && counted && c->sent_at && c->state == OPEN) send_requests(c, counted);
    if (taken < n && c->state != CLOSED) keep(&c->rest, &c->rest_n, &c->rest_max, data + taken, n - taken);
}

/* ---- connections ---- */

static void begin(struct connection *c, int id) {
    int yes = 1;
    c->id = id;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0) fail("socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (ask.sources) {
        struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000002 + id % ask.sources)};
        setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
        if (bind(c->fd, (void *)&from, sizeof from)) fail("bind");
    }
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(ask.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(c->fd, (void *)&to, sizeof to) && errno != EINPROGRESS) fail("connect");
    c->state = CONNECTING;
    want(c, EPOLLOUT, EPOLL_CTL_ADD);
}

static const char *const BROWSER =
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
    "Cookie: like_token=Ab0dEf2hIj4lMn.Qk9yZW0taXBzdW0tZG9sb3Itc2l0LWFtZXQtY29uc2VjdGV0dXI\r\n";

static void on_connected(struct connection *c) {
    char request[TEXT_MAX * 2];
    int error = 0, n;
    socklen_t length = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    if (error) { fprintf(stderr, "connect: %s\n", strerror(error)); let_go(c); return; }
    want(c, EPOLLIN, EPOLL_CTL_MOD);
    if (c->is_publisher && ask.http_publish) { c->state = OPEN; opened++; return; }
    n = sprintf(request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
                c->is_publisher ? ask.publish_path : ask.path, ask.port);
    if (ask.browser) n += sprintf(request + n, "Origin: http://127.0.0.1:%d\r\n%s", ask.port, BROWSER);
    for (int i = 0; i < ask.headers.n; i++) n += sprintf(request + n, "%s\r\n", ask.headers.texts[i]);
    n += sprintf(request + n, "\r\n");
    c->state = HANDSHAKE;
    send_all(c, (uint8_t *)request, n);
}

static int look(int wait_ms) {
    struct epoll_event events[512];
    int n = epoll_wait(poller, events, 512, wait_ms);
    for (int i = 0; i < n; i++) {
        struct connection *c = events[i].data.ptr;
        if (c->state == CONNECTING) { on_connected(c); continue; }
        if (c->state != CLOSED && (events[i].events & EPOLLOUT) && c->unsent_n) send_unsent(c);
        if (c->state != CLOSED && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) on_read(c);
    }
    return n;
}

static void run_for(double seconds, void (*go_on)(void)) {
    uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);
    while (now_ns() < end) {
        int n = look(0);
        if (go_on) go_on();
        struct timespec pause = {0, ask.look_us * 1000L};
        if (n < 512) nanosleep(&pause, NULL);
    }
}

static double connect_all(void) {
    uint64_t began = now_ns();
    int begun = 0;
    while (opened + closed < (uint64_t)ask.connections && now_ns() - began < 60000000000ull) {
        for (; begun < ask.connections && begun - (int)(opened + closed) < 256; begun++) begin(&all[begun], begun);
        look(10);
    }
    if (opened < (uint64_t)ask.connections) {
        fprintf(stderr, "only %llu of %d connections are open\n", (unsigned long long)opened, ask.connections);
        exit(1);
    }
    return (now_ns() - began) / 1e9;
}

/* ---- what it cost ---- */

struct cost { double all_s, loop_s; uint64_t rss; };

static double run_time_s(const char *file) {
    unsigned long long ns = 0;
    FILE *f = fopen(file, "r");
    if (f) { if (fscanf(f, "%llu", &ns) != 1) ns = 0; fclose(f); }
    return ns / 1e9;
}

static struct cost cost_of_servers(void) {
    struct cost cost = {0};
    for (int i = 0; i < ask.pids_n; i++) {
        char file[400];
        unsigned long pages = 0;
        sprintf(file, "/proc/%d/statm", ask.pids[i]);
        FILE *f = fopen(file, "r");
        if (!f) fail("a server is gone");
        if (fscanf(f, "%*u %lu", &pages) == 1) cost.rss += pages * 4096ull;
        fclose(f);
        sprintf(file, "/proc/%d/task", ask.pids[i]);
        DIR *threads = opendir(file);
        for (struct dirent *each; threads && (each = readdir(threads));) {
            if (!isdigit(each->d_name[0])) continue;
            sprintf(file, "/proc/%d/task/%s/schedstat", ask.pids[i], each->d_name);
            double run_s = run_time_s(file);
            cost.all_s += run_s;
            if (atoi(each->d_name) == ask.pids[i]) cost.loop_s += run_s;
        }
        if (threads) closedir(threads);
    }
    return cost;
}

static double own_s(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static uint64_t slab_kb(void) {
    char line[256];
    unsigned long long kb = 0;
    FILE *f = fopen("/proc/meminfo", "r");
    while (f && fgets(line, sizeof line, f)) if (sscanf(line, "Slab: %llu", &kb) == 1) break;
    if (f) fclose(f);
    return kb;
}

static void measure_idle(struct cost before, uint64_t slab_before_kb, double connect_s) {
    run_for(ask.warm_s, NULL);
    struct cost connected = cost_of_servers();
    run_for(ask.seconds, NULL);
    struct cost idle = cost_of_servers();
    printf("{\"connections\":%llu,\"connect_s\":%.3f,\"connect_us\":%.2f,\"bytes_per_connection\":%.0f,"
           "\"kernel_bytes_per_connection\":%.0f,\"rss\":%llu,\"idle_share\":%.4f,\"closed\":%llu,\"faults\":%llu}\n",
           (unsigned long long)opened, connect_s, (connected.all_s - before.all_s) * 1e6 / ask.connections,
           ((double)idle.rss - before.rss) / ask.connections,
           ((double)slab_kb() - slab_before_kb) * 1024 / ask.connections, (unsigned long long)idle.rss,
           (idle.all_s - connected.all_s) / ask.seconds, (unsigned long long)closed, (unsigned long long)faults);
}

static void measure_load(void) {
    void (*go_on)(void) = !is_press ? go_on_publishing : ask.rate > 0 ? go_on_pressing : NULL;
    run_for(0.3, NULL); /* what answers the hellos */
    if (is_press)
        for (int i = 0; i < ask.connections; i++) {
            all[i].sent = all[i].answered = 0;
            all[i].sent_at = calloc(ask.window, sizeof *all[i].sent_at);
            if (!ask.rate) send_requests(&all[i], ask.window);
        }
    first_message = messages;
    next_publish_ns = now_ns();
    run_for(ask.warm_s, go_on);
    struct cost before = cost_of_servers();
    uint64_t began = now_ns(), messages_before = messages, bytes_before = bytes, reads_before = reads, published_before = published;
    double own_before_s = own_s();
    is_measuring = 1;
    run_for(ask.seconds, go_on);
    struct cost after = cost_of_servers();
    double seconds = (now_ns() - began) / 1e9, n = messages - messages_before;
    if (n == 0) { fprintf(stderr, "no message arrived\n"); exit(1); }
    printf("{\"connections\":%llu,\"seconds\":%.3f,\"messages\":%.0f,\"per_s\":%.0f,\"published\":%llu,\"bytes\":%llu,\"messages_per_read\":%.2f,"
           "\"cpu_us\":%.4f,\"loop_us\":%.4f,\"utilisation\":%.3f,\"generator\":%.3f,\"rss\":%llu,"
           "\"p50_us\":%.0f,\"p99_us\":%.0f,\"max_us\":%llu,\"closed\":%llu,\"faults\":%llu}\n",
           (unsigned long long)opened, seconds, n, n / seconds, (unsigned long long)(published - published_before),
           (unsigned long long)(bytes - bytes_before), n / (reads - reads_before), (after.all_s - before.all_s) * 1e6 / n,
           (after.loop_s - before.loop_s) * 1e6 / n, (after.all_s - before.all_s) / seconds, (own_s() - own_before_s) / seconds,
           (unsigned long long)after.rss, percentile(.5), percentile(.99), (unsigned long long)latency_max,
           (unsigned long long)closed, (unsigned long long)faults);
}

static void add(struct list *list, const char *text) {
    if (list->n == LIST_MAX) { fprintf(stderr, "more than %d of an option\n", LIST_MAX); exit(2); }
    list->texts[list->n++] = text;
}

static void read_options(int argc, char **argv) {
    for (int option; (option = getopt(argc, argv, "m:p:P:u:Uc:d:W:w:k:R:H:Bs:q:b:I:f:n:ELS:x:y:")) != -1;) switch (option) {
        case 'm': ask.mode = optarg; break;
        case 'p': ask.port = atoi(optarg); break;
        case 'P': ask.path = optarg; break;
        case 'u': ask.publish_path = optarg; break;
        case 'U': ask.http_publish = 1; break;
        case 'c': ask.connections = atoi(optarg); break;
        case 'd': ask.seconds = atof(optarg); break;
        case 'W': ask.warm_s = atof(optarg); break;
        case 'w': ask.window = atoi(optarg); break;
        case 'k': ask.round = atoi(optarg); break;
        case 'R': ask.rate = atof(optarg); break;
        case 'H': add(&ask.headers, optarg); break;
        case 'B': ask.browser = 1; break;
        case 's': add(&ask.hellos, optarg); break;
        case 'q': add(&ask.publisher_hellos, optarg); break;
        case 'b': ask.body = optarg; break;
        case 'I': ask.items = atoi(optarg); break;
        case 'f': add(&ask.prefixes, optarg); break;
        case 'n': ask.counted = optarg; break;
        case 'E': ask.engine_io = 1; break;
        case 'L': ask.latency = 1; break;
        case 'S': ask.sources = atoi(optarg); break;
        case 'x': if (ask.pids_n < 16) ask.pids[ask.pids_n++] = atoi(optarg); break;
        case 'y': ask.look_us = atoi(optarg); break;
        default: exit(2);
        }
    if (!ask.port || ask.connections < 1 || ask.connections > 60000 || ask.seconds > 60 || ask.window < 1 || ask.round < 1 || ask.items < 1) {
        fprintf(stderr, "options out of bounds: see the top of load.c\n");
        exit(2);
    }
}

int main(int argc, char **argv) {
    struct rlimit files;
    read_options(argc, argv);
    alarm(240);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    prctl(PR_SET_TIMERSLACK, 1000UL);
    poller = epoll_create1(0);
    all = calloc(ask.connections + 1, sizeof *all);
    if (!all) fail("memory");
    is_press = !strcmp(ask.mode, "press");
    struct cost before = cost_of_servers();
    uint64_t slab_before_kb = slab_kb();
    double connect_s = connect_all();
    if (!strcmp(ask.mode, "idle")) { measure_idle(before, slab_before_kb, connect_s); return 0; }
    if (!is_press) {
        publisher = &all[ask.connections];
        publisher->is_publisher = 1;
        begin(publisher, ask.connections);
        for (uint64_t began = now_ns(); publisher->state != OPEN && now_ns() - began < 5000000000ull;) look(10);
        if (publisher->state != OPEN) { fprintf(stderr, "the publisher did not connect\n"); return 1; }
    }
    measure_load();
    return 0;
}
