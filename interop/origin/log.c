/* SPDX-License-Identifier: MIT */
/*
 * The log. Each line is one write() to a file opened with O_APPEND: a reader sees whole lines, as
 * soon as the connection is gone, and nothing is left to flush at exit.
 */
#include "log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int log_fd = -1;

static void put(const char *text, size_t count);

void log_open(const char *path)
{
    static const char head[] =
        "#peer_port\ttls\tprotocol\treceived\tsent\trequests\torder\tresumed\tending\n";
    if (path == NULL) {
        return;
    }
    log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log_fd < 0) {
        perror(path);
        exit(73);
    }
    put(head, strlen(head));
}

void log_write(const log_line *line)
{
    char text[256];
    if (log_fd < 0) {
        return;
    }
    int length = snprintf(
        text, sizeof text,
        "%u\t%d\t%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%d\t%s\n", line->peer_port,
        line->tls ? 1 : 0, line->protocol, line->received_octets, line->sent_octets, line->requests,
        line->order, line->resumed ? 1 : 0, line->ending);
    if (length > 0) {
        put(text, (size_t)length);
    }
}

void log_close(void)
{
    if (log_fd >= 0) {
        close(log_fd);
        log_fd = -1;
    }
}

static void put(const char *text, size_t count)
{
    if (write(log_fd, text, count) != (ssize_t)count) {
        perror("weir-origin: log");
    }
}
