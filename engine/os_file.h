/* SPDX-License-Identifier: MIT */
/*
 * Files, as TLS settings name them: read whole, or appended to by the line.
 *
 * Thread rule: none is needed; every call opens and closes.
 */
#ifndef WEIR_ENGINE_OS_FILE_H
#define WEIR_ENGINE_OS_FILE_H

#include "proto/alloc.h"

/*
 * Reads a regular file of at most `limit_octets` into memory that the caller releases. An empty
 * file gives one octet of memory and length 0. Answers 0 or an errno: ENOMEM, EFBIG when it is
 * longer, EINVAL when it is no regular file, or what the system said.
 */
int weir_os_file_read(const char *path, size_t limit_octets, const weir_allocator *allocator,
                      uint8_t **octets, size_t *length);

/* Appends in one write, so that lines of several threads and processes do not mix. Makes the file,
 * for its owner only. */
int weir_os_file_append(const char *path, weir_span octets);

#endif
