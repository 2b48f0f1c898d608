/* SPDX-License-Identifier: MIT */
/* Starting a child, reading the one line that says where it listens, and ending it by the end of
 * its input. */
#include "support/origin_process.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS 40

static void make_certificates(void);
static void run_and_wait(char *const *words);
static _Noreturn void become(const char *const *arguments, pid_t parent, int input, int output);
static void die(const char *what);

void weir_origin_process_start(weir_origin_process *origin, const char *const *arguments)
{
    int input[2];
    int output[2];
    char line[256] = "";

    make_certificates();
    if (pipe2(input, O_CLOEXEC) != 0 || pipe2(output, O_CLOEXEC) != 0) {
        die("pipe2");
    }
    const pid_t self = getpid();
    origin->pid = fork();
    if (origin->pid < 0) {
        die("fork");
    }
    if (origin->pid == 0) {
        become(arguments, self, input[0], output[1]);
    }
    (void)close(input[0]);
    (void)close(output[1]);
    origin->input = input[1];
    FILE *said = fdopen(output[0], "r");
    if (said == NULL || fgets(line, sizeof(line), said) == NULL ||
        sscanf(line, "ready clear=%" SCNu16 " tls=%" SCNu16 " mute=%" SCNu16, &origin->clear_port,
               &origin->tls_port, &origin->mute_port) != 3) {
        die("weir-origin did not say that it is ready");
    }
    (void)fclose(said);
}

void weir_origin_process_stop(weir_origin_process *origin)
{
    int status = 0;

    (void)close(origin->input);
    if (waitpid(origin->pid, &status, 0) != origin->pid || !WIFEXITED(status) ||
        WEXITSTATUS(status) != 0) {
        die("weir-origin did not end well");
    }
}

const char *weir_test_certificate(const char *name)
{
    static char path[512];

    make_certificates();
    (void)snprintf(path, sizeof(path), "%s/%s", WEIR_TESTS_PKI, name);
    return path;
}

/* Does nothing when they are there and fresh; suites that run at once wait for each other in it. */
static void make_certificates(void)
{
    static char script[] = WEIR_TESTS_CERTS;
    static char folder[] = WEIR_TESTS_PKI;
    static int made;
    char *words[] = {script, folder, NULL};

    if (!made) {
        run_and_wait(words);
        made = 1;
    }
}

static void run_and_wait(char *const *words)
{
    int status = 0;
    const pid_t pid = fork();

    if (pid == 0) {
        (void)execv(words[0], words);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
        WEXITSTATUS(status) != 0) {
        die(words[0]);
    }
}

static _Noreturn void become(const char *const *arguments, pid_t parent, int input, int output)
{
    static const char *const always[] = {
        WEIR_TESTS_ORIGIN, "--port", "0",     "--tls-port", "0",        "--mute-port", "0",
        "--cert",          NULL,     "--key", NULL,         "--parent", NULL};
    char cert[512];
    char key[512];
    char number[16];
    const char *words[WORDS] = {NULL};
    size_t count = 0;

    (void)snprintf(cert, sizeof(cert), "%s/good.pem", WEIR_TESTS_PKI);
    (void)snprintf(key, sizeof(key), "%s/good.key", WEIR_TESTS_PKI);
    for (; count < sizeof(always) / sizeof(always[0]); count++) {
        words[count] = always[count];
    }
    words[8] = cert;
    words[10] = key;
    (void)snprintf(number, sizeof(number), "%d", (int)parent);
    words[12] = number;
    for (; arguments != NULL && *arguments != NULL && count < WORDS - 1; arguments++) {
        words[count++] = *arguments;
    }
    (void)dup2(input, STDIN_FILENO);
    (void)dup2(output, STDOUT_FILENO);
    (void)execv(words[0], (char *const *)(uintptr_t)words);
    _exit(127);
}

static void die(const char *what)
{
    fprintf(stderr, "origin_process: %s\n", what);
    abort();
}
