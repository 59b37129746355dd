/*
 * floor: the least that a server can do. One thread, epoll, one send() per watcher and message, frames made once,
 * nothing stored, nothing checked. What it costs is what the kernel costs.
 *
 *     floor PORT [join]      GET /sub: a watcher. /pub: its messages go to all watchers. /like: counts and answers.
 *
 * join: what arrived from the publisher in one read goes to each watcher in one send().
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define WATCHERS_MAX 100000
#define READ_MAX (1 << 18)

enum kind { NEW, WATCHER, PUBLISHER, PRESSER };

struct connection { int fd, place; enum kind kind; uint8_t *rest; size_t rest_n; };

static struct connection *watchers[WATCHERS_MAX];
static int watchers_n, is_joining;
static unsigned long long likes;

/* ---- the handshake (RFC 6455, 4.2.2): SHA-1 of up to 100 bytes, base64 ---- */

static uint32_t rotated(uint32_t x, int by) { return x << by | x >> (32 - by); }

static void sha1(const uint8_t *text, size_t n, uint8_t digest[20]) {
    uint32_t h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0}, w[80];
    uint8_t block[128] = {0};
    size_t length = ((n + 8) / 64 + 1) * 64;
    memcpy(block, text, n);
    block[n] = 0x80;
    for (int i = 0; i < 8; i++) block[length - 1 - i] = (uint64_t)n * 8 >> 8 * i;
    for (size_t at = 0; at < length; at += 64) {
        uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
        for (int i = 0; i < 80; i++) {
            const uint8_t *word = block + at + 4 * i;
            w[i] = i < 16 ? (uint32_t)word[0] << 24 | word[1] << 16 | word[2] << 8 | word[3]
                          : rotated(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
            uint32_t f = i < 20 ? ((b & c) | (~b & d)) + 0x5A827999 : i < 40 ? (b ^ c ^ d) + 0x6ED9EBA1
                       : i < 60 ? ((b & c) | (b & d) | (c & d)) + 0x8F1BBCDC : (b ^ c ^ d) + 0xCA62C1D6;
            uint32_t next = rotated(a, 5) + f + e + w[i];
            e = d; d = c; c = rotated(b, 30); b = a; a = next;
        }
        h[0] += a; h[1] += b; h[2] += c; h[3] += d; h[4] += e;
    }
    for (int i = 0; i < 20; i++) digest[i] = h[i / 4] >> (24 - 8 * (i % 4));
}

static void base64(const uint8_t *from, int n, char *to) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int i = 0; i < n; i += 3) {
        uint32_t three = from[i] << 16 | (i + 1 < n ? from[i + 1] << 8 : 0) | (i + 2 < n ? from[i + 2] : 0);
        *to++ = letters[three >> 18];
        *to++ = letters[three >> 12 & 63];
        *to++ = i + 1 < n ? letters[three >> 6 & 63] : '=';
        *to++ = i + 2 < n ? letters[three & 63] : '=';
    }
    *to = 0;
}

static void send_all(struct connection *c, const uint8_t *data, size_t n) {
    /* The load waits for what it sent, so a socket's buffer is never full. */
    if (send(c->fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)n) fprintf(stderr, "a frame was cut\n");
}

static void drop(struct connection *c) {
    if (c->kind == WATCHER) {
        watchers[c->place] = watchers[--watchers_n];
        watchers[c->place]->place = c->place;
    }
    close(c->fd);
    free(c->rest);
    free(c);
}

static void shake_hands(struct connection *c, char *request) {
    char *key = strstr(request, "Sec-WebSocket-Key: "), text[128], accept[40], answer[256];
    uint8_t digest[20];
    if (!key || !strstr(request, "\r\n\r\n")) { drop(c); return; }
    int n = snprintf(text, sizeof text, "%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key + 19);
    sha1((uint8_t *)text, n, digest);
    base64(digest, 20, accept);
    n = snprintf(answer, sizeof answer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                 "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accept);
    c->kind = !strncmp(request, "GET /sub", 8) ? WATCHER : !strncmp(request, "GET /pub", 8) ? PUBLISHER : PRESSER;
    if (c->kind == WATCHER) {
        if (watchers_n == WATCHERS_MAX) { drop(c); return; }
        c->place = watchers_n;
        watchers[watchers_n++] = c;
    }
    send_all(c, (uint8_t *)answer, n);
}

static size_t framed(uint8_t *to, const uint8_t *payload, size_t n) {
    size_t at = 0;
    to[at++] = 0x81;
    if (n < 126) to[at++] = n;
    else { to[at++] = 126; to[at++] = n >> 8; to[at++] = n; }
    memcpy(to + at, payload, n);
    return at + n;
}

static void tell_watchers(const uint8_t *frames, size_t n) {
    for (int i = 0; i < watchers_n; i++) send_all(watchers[i], frames, n);
}

static void on_read(struct connection *c) {
    static uint8_t data[READ_MAX + 1], out[2 * READ_MAX];
    size_t n = c->rest_n, at = 0, out_n = 0;
    if (n) memcpy(data, c->rest, n);
    ssize_t got = recv(c->fd, data + n, READ_MAX - n, 0);
    if (got <= 0) { if (got == 0 || errno != EAGAIN) drop(c); return; }
    n += got;
    c->rest_n = 0;
    data[n] = 0;
    if (c->kind == NEW) { shake_hands(c, (char *)data); return; }
    while (n - at >= 6) {
        size_t length = data[at + 1] & 127, header = 2;
        if (length == 126) { length = data[at + 2] << 8 | data[at + 3]; header = 4; }
        if (n - at < header + 4 + length) break;
        int opcode = data[at] & 15;
        uint8_t *mask = data + at + header, *payload = mask + 4;
        for (size_t i = 0; i < length; i++) payload[i] ^= mask[i & 3];
        at += header + 4 + length;
        if (opcode == 8) { drop(c); return; }
        if (opcode != 1) continue;
        if (c->kind == PUBLISHER) {
            out_n += framed(out + out_n, payload, length);
            if (!is_joining) { tell_watchers(out, out_n); out_n = 0; }
        } else if (c->kind == PRESSER && memmem(payload, length, "\"op\":\"like\"", 11)) {
            char answer[64];
            int answer_n = sprintf(answer, "{\"ok\":1,\"n\":%llu}", ++likes);
            out_n += framed(out + out_n, (uint8_t *)answer, answer_n);
        }
    }
    if (out_n && c->kind == PUBLISHER) tell_watchers(out, out_n);
    else if (out_n) send_all(c, out, out_n);
    if (n > at) {
        c->rest_n = n - at;
        if (!(c->rest = realloc(c->rest, c->rest_n))) { perror("memory"); exit(1); }
        memcpy(c->rest, data + at, c->rest_n);
    }
}

static void accept_all(int listener, int poller) {
    int fd, yes = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct connection *c = calloc(1, sizeof *c);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        if (!c) { perror("memory"); exit(1); }
        c->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

int main(int argc, char **argv) {
    struct rlimit files;
    int yes = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poller = epoll_create1(0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN}, events[256];
    if (argc < 2) { fprintf(stderr, "floor PORT [join]\n"); return 2; }
    is_joining = argc > 2;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    address.sin_port = htons(atoi(argv[1]));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 4096)) { perror("bind"); return 1; }
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(poller, events, 256, 1000);
        for (int i = 0; i < n; i++)
            if (events[i].data.ptr) on_read(events[i].data.ptr);
            else accept_all(listener, poller);
    }
}
