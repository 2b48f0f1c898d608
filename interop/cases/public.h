/* SPDX-License-Identifier: MIT */
/*
 * Public servers: well-known test hosts, each with what it must come to.
 *
 *     URL PROTOCOL EXPECTED        a line of interop/public.tsv; PROTOCOL http/1.1, h2 or any
 *
 * EXPECTED is a status code, `answer` for any, or the name of a status of weir; several with `|`
 * between them. Whether a host can be reached is asked by interop/run, without weir: else a defect
 * of weir's could pass for a network that is not there.
 */
#ifndef INTEROP_PUBLIC_H
#define INTEROP_PUBLIC_H

typedef struct public_options {
    const char *list_file;
    const char *reachable_file; /* `HOST PORT` lines */
    const char *rows_file;
} public_options;

void public_run(const public_options *options);

#endif
