/* SPDX-License-Identifier: MIT */
/*
 * Every way a call can end but well: each status of the table is produced through the public
 * interface, over every way where it makes sense, and the last test fails when one is not.
 */
#include "failures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SNI_OCTETS 1200

/* What no test here produces, and why. A status that is produced after all must leave this list. */
typedef struct excuse {
    weir_status status;
    const char *why;
} excuse;

static const excuse excuses[] = {
    {WEIR_E_NOT_ACCEPTING, "a bounced lease is the pool's own affair; tests/pool, tests/sim"},
};

static const excuse *excuse_of(weir_status status)
{
    for (size_t i = 0; i < sizeof(excuses) / sizeof(excuses[0]); i++) {
        if (excuses[i].status == status) {
            return &excuses[i];
        }
    }
    return NULL;
}

/* Runs last. Under a filter it would judge what was not run. */
static void every_status_was_produced(weir_world *world)
{
    weir_status status = WEIR_OK;
    size_t missing = 0;

    if (getenv("WEIR_TESTS_ONLY") != NULL || getenv("WEIR_TESTS_SKIP") != NULL) {
        weir_world_skip(world);
    }
    for (size_t i = 0; weir_status_at(i, &status); i++) {
        const bool excused = excuse_of(status) != NULL;
        if (weir_user_has_seen(status) == excused) {
            print_error("%s: %s\n", weir_status_name(status),
                        excused ? "is excused and was produced" : "no test produced it");
            missing++;
        }
    }
    assert_int_equal(missing, 0);
}

static const weir_behaviour last[] = {
    {"every status of the table was produced", every_status_was_produced,
     WEIR_ONLY_H1 | WEIR_ONLY_CLEAR | WEIR_ONLY_LOOP, NULL},
};

/* The origin has a certificate of each kind, for who asks for NAME.wild.test. */
static const char *const *sni_options(void)
{
    static const char *const kinds[] = {"unknown-ca", "self-signed",    "expired",
                                        "rsa-1024",   "no-server-auth", "wrong-host"};
    enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };
    static char texts[KINDS][SNI_OCTETS];
    static const char *words[2 * KINDS + 1];

    for (size_t i = 0; i < KINDS; i++) {
        char name[64];
        (void)snprintf(name, sizeof(name), "%s.pem", kinds[i]);
        (void)snprintf(texts[i], SNI_OCTETS, "%s.wild.test=%s", kinds[i],
                       weir_test_certificate(name));
        (void)snprintf(name, sizeof(name), "%s.key", kinds[i]);
        (void)snprintf(texts[i] + strlen(texts[i]), SNI_OCTETS - strlen(texts[i]), ",%s",
                       weir_test_certificate(name));
        words[2 * i] = "--sni";
        words[2 * i + 1] = texts[i];
    }
    return words;
}

int main(void)
{
    const weir_failures parts[] = {
        weir_failures_of_callers(),
        weir_failures_of_deadlines(),
        weir_failures_of_networks(),
        weir_failures_of_peers(),
        weir_failures_of_resources(),
        weir_failures_of_tls(),
        {last, sizeof(last) / sizeof(last[0])},
    };
    const size_t part_count = sizeof(parts) / sizeof(parts[0]);
    size_t count = 0;
    size_t used = 0;

    for (size_t i = 0; i < part_count; i++) {
        count += parts[i].count;
    }
    weir_behaviour *all = calloc(count, sizeof(*all));
    if (all == NULL) {
        abort();
    }
    for (size_t i = 0; i < part_count; i++) {
        memcpy(all + used, parts[i].behaviours, parts[i].count * sizeof(*all));
        used += parts[i].count;
    }
    const int failed = weir_world_run("failure", all, count, sni_options());
    free(all);
    return failed;
}
