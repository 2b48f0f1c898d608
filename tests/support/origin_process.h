/* SPDX-License-Identifier: MIT */
/*
 * weir-origin as a child process on free ports, with a certificate of the test PKI. It ends with
 * the test program, however that ends, and whatever children that has: it follows the process, and
 * its standard input is a pipe from it. Thread rule: the thread that starts it stays.
 */
#ifndef WEIR_TESTS_ORIGIN_PROCESS_H
#define WEIR_TESTS_ORIGIN_PROCESS_H

#include <stdint.h>
#include <sys/types.h>

typedef struct weir_origin_process {
    pid_t pid;
    int input;
    uint16_t clear_port;
    uint16_t tls_port;
    uint16_t mute_port;
} weir_origin_process;

/* `arguments` may be NULL, else ends with NULL; they come after those that every origin gets.
 * Aborts if it does not start. */
void weir_origin_process_start(weir_origin_process *origin, const char *const *arguments);
void weir_origin_process_stop(weir_origin_process *origin);

/* A file of the PKI that interop/certs made for this build: "ca.pem". The answer is static until
 * the next call. */
const char *weir_test_certificate(const char *name);

#endif
