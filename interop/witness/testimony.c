/* SPDX-License-Identifier: MIT */
/*
 * The testimony: what the kernel says of a connection at its end. witness.c tells in what sense
 * the figures are meant and how it is known whether the peer's FIN had come.
 */
#include "witness.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SAMPLES = 100 };

/* The kernel's numbers; the C library's names for them live in a header that this one excludes. */
enum {
    STATE_ESTABLISHED = 1,
    STATE_SYN_SENT,
    STATE_SYN_RECV,
    STATE_FIN_WAIT1,
    STATE_FIN_WAIT2,
    STATE_TIME_WAIT,
    STATE_CLOSE,
    STATE_CLOSE_WAIT,
    STATE_LAST_ACK,
    STATE_LISTEN,
    STATE_CLOSING
};

typedef struct sample {
    struct tcp_info tcp;
    int inq;
    int outq;
} sample;

static atomic_bool any_duplicate;

static bool has_duplicate(int fd);
static bool take_sample(int fd, sample *s);
static bool read_tcp(int fd, struct tcp_info *into);
static fin fin_of(int fd, watched *w, const sample *s);
static fin ask_for_fin(int fd);
static void write_line(int fd, const watched *w, const sample *s, fin seen);
static unsigned local_port(int fd);
static const char *state_name(unsigned state);

void expect_duplicates(void)
{
    atomic_store(&any_duplicate, true);
}

bool in_close_wait(int fd)
{
    struct tcp_info tcp;
    return read_tcp(fd, &tcp) && tcp.tcpi_state == STATE_CLOSE_WAIT;
}

void testify(int fd)
{
    watched *w = watched_of(fd);
    sample s;
    int saved = errno;
    if (w == NULL) {
        return;
    }
    /* A connection whose SYN was never acknowledged was none: refused, unreachable, given up. */
    if (!has_duplicate(fd) && take_sample(fd, &s) && s.tcp.tcpi_bytes_acked > 0) {
        write_line(fd, w, &s, fin_of(fd, w, &s));
    }
    atomic_store(&w->owner, 0);
    errno = saved;
}

static bool has_duplicate(int fd)
{
    struct stat mine;
    struct stat other;
    if (!atomic_load(&any_duplicate) || fstat(fd, &mine) != 0) {
        return false;
    }
    for (int i = 0; i < WATCHED; i++) {
        if (i != fd && watched_of(i) != NULL && fstat(i, &other) == 0 &&
            other.st_ino == mine.st_ino && other.st_dev == mine.st_dev) {
            return true;
        }
    }
    return false;
}

/* The four readings are not taken at one moment, so they are taken until nothing moved between. */
static bool take_sample(int fd, sample *s)
{
    struct tcp_info before;
    for (int i = 0; i < SAMPLES; i++) {
        if (!read_tcp(fd, &before) || ioctl(fd, SIOCINQ, &s->inq) != 0 ||
            ioctl(fd, SIOCOUTQ, &s->outq) != 0 || !read_tcp(fd, &s->tcp)) {
            return false;
        }
        if (before.tcpi_bytes_acked == s->tcp.tcpi_bytes_acked &&
            before.tcpi_bytes_received == s->tcp.tcpi_bytes_received &&
            before.tcpi_state == s->tcp.tcpi_state) {
            return true;
        }
    }
    return true;
}

static bool read_tcp(int fd, struct tcp_info *into)
{
    socklen_t length = sizeof *into;
    memset(into, 0, sizeof *into);
    return real()->getsockopt(fd, IPPROTO_TCP, TCP_INFO, into, &length) == 0;
}

static fin fin_of(int fd, watched *w, const sample *s)
{
    switch (s->tcp.tcpi_state) {
    case STATE_CLOSE_WAIT:
    case STATE_LAST_ACK:
    case STATE_CLOSING:
    case STATE_TIME_WAIT:
        return FIN_CAME;
    case STATE_CLOSE:
        break;
    default:
        return FIN_NONE;
    }
    fin noted = (fin)atomic_load(&w->fin);
    if (noted != FIN_UNKNOWN || atomic_load(&w->error_taken)) {
        return noted;
    }
    return ask_for_fin(fd);
}

/* Only in CLOSE: the queue may be emptied, because close() will send nothing whatever it holds. */
static fin ask_for_fin(int fd)
{
    char dropped[4096];
    for (;;) {
        ssize_t count = real()->recv(fd, dropped, sizeof dropped, MSG_DONTWAIT);
        if (count <= 0) {
            return count == 0 ? FIN_CAME : FIN_NONE;
        }
    }
}

static void write_line(int fd, const watched *w, const sample *s, fin seen)
{
    char line[512];
    const char *path = getenv("WEIR_WITNESS");
    uint64_t fin_sent = atomic_load(&w->shut_write) ? 1 : 0;
    uint64_t fin_seen = seen == FIN_CAME ? 1 : 0;
    uint64_t sent = s->tcp.tcpi_bytes_acked - 1 - fin_sent + (unsigned)s->outq;
    uint64_t received = s->tcp.tcpi_bytes_received - fin_seen - (unsigned)s->inq;
    int length = snprintf(line, sizeof line,
                          "%d\t%u\t%u\t%" PRIu64 "\t%" PRIu64 "\t%s\t%" PRIu64 "\t%" PRIu64
                          "\t%" PRIu64 "\t%d\t%" PRIu64 "\t%" PRIu64 "\t%d\t%d\n",
                          getpid(), local_port(fd), atomic_load(&w->peer_port), sent, received,
                          state_name(s->tcp.tcpi_state), (uint64_t)atomic_load(&w->sent),
                          (uint64_t)atomic_load(&w->received), (uint64_t)s->tcp.tcpi_bytes_acked,
                          s->outq, fin_sent, (uint64_t)s->tcp.tcpi_bytes_received, s->inq,
                          seen == FIN_UNKNOWN ? -1 : (int)fin_seen);
    int file =
        path == NULL ? STDERR_FILENO : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (file < 0 || real()->write(file, line, (size_t)length) != length) {
        static const char lost[] = "witness.so: a line could not be written\n";
        (void)!real()->write(STDERR_FILENO, lost, sizeof lost - 1);
    }
    if (file >= 0 && path != NULL) {
        (void)real()->close(file);
    }
}

static unsigned local_port(int fd)
{
    struct sockaddr_storage a;
    socklen_t length = sizeof a;
    memset(&a, 0, sizeof a);
    if (getsockname(fd, (struct sockaddr *)&a, &length) != 0) {
        return 0;
    }
    return port_in((const struct sockaddr *)&a);
}

static const char *state_name(unsigned state)
{
    static const char *const names[] = {
        "-",         "ESTABLISHED", "SYN_SENT",   "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",
        "TIME_WAIT", "CLOSE",       "CLOSE_WAIT", "LAST_ACK", "LISTEN",    "CLOSING",
    };
    return state < sizeof names / sizeof names[0] ? names[state] : "-";
}
