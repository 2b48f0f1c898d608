/* SPDX-License-Identifier: MIT */
/*
 * The table of certificates for tls_verify_test.c: what each is made of, and what becomes of it.
 */
#ifndef WEIR_TESTS_TLS_VERIFY_CASES_H
#define WEIR_TESTS_TLS_VERIFY_CASES_H

#include "proto/target.h"
#include "support/pki.h"

/* The roots that are trusted, and one that is not. */
enum { ROOT, ROOT_RSA, ROOT_CONSTRAINED, ROOT_STRANGE, ROOTS };

typedef struct host {
    weir_host_kind kind;
    const char *name;
    uint8_t address[16];
} host;

/* A recipe whose `name` is NULL ends the chain; chain[0] is issued by `root`. */
typedef struct recipe_case {
    const char *what;
    weir_status live; /* of the handshake */
    weir_status ours; /* of weir_tls_verify_chain() */
    weir_pki_recipe leaf;
    weir_pki_recipe chain[3]; /* from the root down */
    int root;
    host host; /* name NULL: server.test */
    bool send_root;
    bool reversed;  /* the chain is sent in the wrong order */
    bool leave_out; /* the last of the chain is not sent */
    int tls;        /* version; 0: any */
} recipe_case;

extern const host weir_server_test;
extern const recipe_case weir_verify_cases[];
extern const size_t weir_verify_case_count;

#endif
