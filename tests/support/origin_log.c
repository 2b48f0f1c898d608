/* SPDX-License-Identifier: MIT */
/* Lines out of a FIFO: see origin_log.h. */
#include "support/origin_log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINES       4096
#define PATIENCE_MS 10000

struct weir_origin_log {
    char folder[64];
    char path[96];
    int fd;
    char text[4096];
    size_t text_octets;
    weir_origin_line lines[LINES];
    size_t count;
};

static bool read_more(weir_origin_log *log, int patience_ms);
static void take(weir_origin_log *log, const char *text);

weir_origin_log *weir_origin_log_open(void)
{
    weir_origin_log *log = calloc(1, sizeof(*log));

    if (log == NULL) {
        abort();
    }
    (void)snprintf(log->folder, sizeof(log->folder), "%s", "/tmp/weir-origin-log-XXXXXX");
    if (mkdtemp(log->folder) == NULL) {
        abort();
    }
    (void)snprintf(log->path, sizeof(log->path), "%s/log", log->folder);
    if (mkfifo(log->path, 0600) != 0) {
        abort();
    }
    log->fd = open(log->path, O_RDWR | O_NONBLOCK |
                                  O_CLOEXEC); /* for writing too: so that nobody waits to open it */
    if (log->fd < 0) {
        abort();
    }
    return log;
}

const char *weir_origin_log_path(const weir_origin_log *log)
{
    return log->path;
}

void weir_origin_log_forget(weir_origin_log *log)
{
    while (read_more(log, 0)) {
    }
    log->count = 0;
}

bool weir_origin_log_of_port(weir_origin_log *log, unsigned peer_port, weir_origin_line *line)
{
    size_t looked = 0;
    bool found = false;

    do {
        for (; looked < log->count; looked++) {
            if (log->lines[looked].peer_port == peer_port) {
                *line = log->lines[looked];
                found = true;
            }
        }
    } while (!found && read_more(log, PATIENCE_MS));
    return found;
}

bool weir_origin_log_of_order(weir_origin_log *log, uint64_t order, weir_origin_line *line)
{
    size_t looked = 0;

    do {
        for (; looked < log->count; looked++) {
            if (log->lines[looked].order == order) {
                *line = log->lines[looked];
                return true;
            }
        }
    } while (read_more(log, PATIENCE_MS));
    return false;
}

void weir_origin_log_close(weir_origin_log *log)
{
    (void)close(log->fd);
    (void)unlink(log->path);
    (void)rmdir(log->folder);
    free(log);
}

/* Waits for more of it; false: there was none. */
static bool read_more(weir_origin_log *log, int patience_ms)
{
    struct pollfd fd = {.fd = log->fd, .events = POLLIN};

    if (poll(&fd, 1, patience_ms) != 1) {
        return false;
    }
    const ssize_t got =
        read(log->fd, log->text + log->text_octets, sizeof(log->text) - 1 - log->text_octets);
    if (got <= 0) {
        return false;
    }
    log->text_octets += (size_t)got;
    log->text[log->text_octets] = '\0';
    char *at = log->text;
    for (char *end = strchr(at, '\n'); end != NULL; end = strchr(at, '\n')) {
        *end = '\0';
        take(log, at);
        at = end + 1;
    }
    log->text_octets -= (size_t)(at - log->text);
    memmove(log->text, at, log->text_octets);
    return true;
}

static void take(weir_origin_log *log, const char *text)
{
    weir_origin_line line = {0};
    int resumed = 0;

    if (sscanf(text, "%u\t%*d\t%*s\t%" SCNu64 "\t%" SCNu64 "\t%*u\t%" SCNu64 "\t%d\t%15s",
               &line.peer_port, &line.received_octets, &line.sent_octets, &line.order, &resumed,
               line.ending) != 6) {
        return; /* the head of the table */
    }
    line.resumed = resumed != 0;
    if (log->count == LINES) {
        abort();
    }
    log->lines[log->count++] = line;
}
