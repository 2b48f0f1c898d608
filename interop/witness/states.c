/* SPDX-License-Identifier: MIT */
/*
 * Tries the witness in every state that a connection can be closed in.
 *
 *     LD_PRELOAD=witness.so WEIR_WITNESS=FILE weir-witness-states
 *
 * Each case opens one connection to itself over loopback, brings it into its state, closes it and
 * reads the line that the witness wrote. What the program sent and read it counted itself, from
 * the return values of its own calls; the witness's two kernel figures must equal them, and where
 * the state decides it, so must its word on the peer's FIN. It prints a table and ends with 1 if
 * a case differs or a line is missing.
 *
 * Two ends in one process need no waiting by the clock: each step that the other end must see is
 * awaited by asking the socket until it says so.
 */
#include "states.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static int listener;
static struct sockaddr_in address;

void check(bool fact, const char *what)
{
    if (!fact) {
        perror(what);
        exit(2);
    }
}

static int new_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    check(fd >= 0, "socket");
    return fd;
}

static pair open_pair(void)
{
    pair p = {.ours = new_socket()};
    int small = 16384;
    check(setsockopt(p.ours, SOL_SOCKET, SO_SNDBUF, &small, sizeof small) == 0, "SO_SNDBUF");
    check(connect(p.ours, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    p.theirs = accept(listener, NULL, NULL);
    check(p.theirs >= 0, "accept");
    return p;
}

/* The last line of the witness's file, and how many there are. */
static unsigned last_line(char *line, int room)
{
    const char *path = getenv("WEIR_WITNESS");
    FILE *f = path == NULL ? NULL : fopen(path, "r");
    unsigned count = 0;
    while (f != NULL && fgets(line, room, f) != NULL) {
        count++;
    }
    if (f != NULL) {
        fclose(f);
    }
    return count;
}

static bool try(const state_case *c)
{
    char line[512] = "";
    char state[32] = "";
    uint64_t sent = 0;
    uint64_t received = 0;
    uint64_t acked = 0;
    uint64_t got = 0;
    int outq = 0;
    int inq = 0;
    int fin_sent = 0;
    int fin_seen = 0;
    unsigned before = last_line(line, sizeof line);
    pair p = open_pair();
    c->prepare(&p);
    close(p.ours);
    close(p.theirs);
    bool written =
        last_line(line, sizeof line) == before + 1 &&
        sscanf(line,
               "%*d %*u %*u %" SCNu64 " %" SCNu64 " %31s %*u %*u %" SCNu64 " %d %d %" SCNu64
               " %d %d",
               &sent, &received, state, &acked, &outq, &fin_sent, &got, &inq, &fin_seen) == 9;
    bool agrees = written && sent == p.sent && fin_seen == c->fin_seen &&
                  (received == p.received || c->fin_seen < 0);
    printf("%-36s %-11s %9" PRIu64 " %9" PRIu64 " %7" PRIu64 " %7" PRIu64 " %8d %4d %2d %2d  %s\n",
           c->name, state, p.sent, sent, p.received, received, outq, inq, fin_sent, fin_seen,
           agrees ? "agree" : "DIFFER");
    return agrees;
}

/* What was never a connection leaves no line. */
static bool try_silent(void)
{
    char line[512];
    unsigned before = last_line(line, sizeof line);
    close(new_socket());
    struct sockaddr_in nobody = address;
    int bound = new_socket();
    socklen_t length = sizeof nobody;
    nobody.sin_port = 0;
    check(bind(bound, (struct sockaddr *)&nobody, sizeof nobody) == 0, "bind");
    check(getsockname(bound, (struct sockaddr *)&nobody, &length) == 0, "getsockname");
    int refused = new_socket();
    check(connect(refused, (struct sockaddr *)&nobody, sizeof nobody) < 0 && errno == ECONNREFUSED,
          "a refusal");
    close(refused);
    close(bound);
    bool silent = last_line(line, sizeof line) == before;
    printf("%-36s %s\n", "never connected, refused: no line", silent ? "agree" : "DIFFER");
    return silent;
}

/* A dup2 over the socket closes it; a descriptor that is left open is told of at exit. */
static bool try_other_ends(void)
{
    char line[512];
    unsigned before = last_line(line, sizeof line);
    pair p = open_pair();
    int copy = dup(p.ours);
    close(copy); /* not the end yet */
    bool quiet = last_line(line, sizeof line) == before;
    check(dup2(STDERR_FILENO, p.ours) == p.ours, "dup2");
    bool told = last_line(line, sizeof line) == before + 1;
    close(p.ours);
    close(p.theirs);
    pid_t child = fork();
    if (child == 0) {
        pair left = open_pair();
        give(&left, 7);
        exit(0);
    }
    check(waitpid(child, NULL, 0) == child, "waitpid");
    bool at_exit = last_line(line, sizeof line) == before + 2 && strstr(line, "\t7\t0\t") != NULL;
    printf("%-36s %s\n", "dup, dup2 over it, open at exit",
           quiet && told && at_exit ? "agree" : "DIFFER");
    return quiet && told && at_exit;
}

int main(void)
{
    unsigned differ = 0;
    socklen_t length = sizeof address;
    address = (struct sockaddr_in){.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = new_socket();
    check(bind(listener, (struct sockaddr *)&address, sizeof address) == 0, "bind");
    int small = 4096; /* what we send must soon find their queue full */
    check(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small) == 0, "SO_RCVBUF");
    check(listen(listener, 8) == 0, "listen");
    check(getsockname(listener, (struct sockaddr *)&address, &length) == 0, "getsockname");
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("%-36s %-11s %9s %9s %7s %7s %8s %4s %s\n", "case", "state", "sent", "kernel", "read",
           "kernel", "outq", "inq", "FIN sent, seen");
    for (size_t i = 0; i < state_count; i++) {
        differ += try(&states[i]) ? 0 : 1;
    }
    differ += try_silent() ? 0 : 1;
    differ += try_other_ends() ? 0 : 1;
    printf("%u differ\n", differ);
    return differ == 0 ? 0 : 1;
}
