/* SPDX-License-Identifier: MIT */
/*
 * Reading and appending with open, fstat, read and write. Nothing is kept open between calls.
 */
#include "engine/os_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int fd, size_t limit_octets, const weir_allocator *allocator, uint8_t **octets,
                    size_t *length);
static int fill(int fd, uint8_t *to, size_t room, size_t *got);

int weir_os_file_read(const char *path, size_t limit_octets, const weir_allocator *allocator,
                      uint8_t **octets, size_t *length)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int error;

    *octets = NULL;
    *length = 0;
    if (fd < 0) {
        return errno;
    }
    error = read_all(fd, limit_octets, allocator, octets, length);
    (void)close(fd);
    return error;
}

int weir_os_file_append(const char *path, weir_span octets)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
    ssize_t wrote;
    int error;

    if (fd < 0) {
        return errno;
    }
    do {
        wrote = write(fd, octets.at, octets.length);
    } while (wrote < 0 && errno == EINTR);
    error = wrote < 0 ? errno : 0;
    if (error == 0 && (size_t)wrote < octets.length) {
        error = ENOSPC;
    }
    return close(fd) < 0 && error == 0 ? errno : error;
}

static int read_all(int fd, size_t limit_octets, const weir_allocator *allocator, uint8_t **octets,
                    size_t *length)
{
    struct stat about;
    uint8_t *at;
    int error;

    if (fstat(fd, &about) < 0) {
        return errno;
    }
    if (!S_ISREG(about.st_mode)) {
        return EINVAL;
    }
    if (about.st_size < 0 || (uintmax_t)about.st_size > limit_octets) {
        return EFBIG;
    }
    at = weir_alloc(allocator, (size_t)about.st_size + 1);
    if (!at) {
        return ENOMEM;
    }
    error = fill(fd, at, (size_t)about.st_size, length);
    if (error != 0) {
        weir_release(allocator, at);
        return error;
    }
    *octets = at;
    return 0;
}

static int fill(int fd, uint8_t *to, size_t room, size_t *got)
{
    while (*got < room) {
        ssize_t step = read(fd, to + *got, room - *got);
        if (step < 0 && errno == EINTR) {
            continue;
        }
        if (step < 0) {
            return errno;
        }
        if (step == 0) {
            break; /* it became shorter meanwhile */
        }
        *got += (size_t)step;
    }
    return 0;
}
