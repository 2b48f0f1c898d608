/* SPDX-License-Identifier: MIT */
/* See secure.h. */
#include "secure.h"

#include "support/tls_bench.h"

#include <stdio.h>
#include <stdlib.h>

static weir_tls_server *first; /* holds the context that all share */
static weir_tls_server_options options;
static weir_tls_config *config;

static int set_up(void **state);
static int tear_down(void **state);

int weir_secure_run(const char *suite, const struct CMUnitTest *tests, size_t count)
{
    cmocka_set_test_filter(getenv("WEIR_TESTS_ONLY"));
    return _cmocka_run_group_tests(suite, tests, count, set_up, tear_down);
}

const weir_tls_server_options *weir_secure_server(bool is_tls)
{
    return is_tls ? &options : NULL;
}

void weir_secure_ask(weir_stage *stage, weir_plea *plea, bool is_tls, const char *path)
{
    weir_stage_ask(stage, plea, WEIR_H1, path);
    if (is_tls) {
        (void)snprintf(plea->url, sizeof(plea->url), "https://127.0.0.1:%u%s",
                       weir_hostile_port(stage->server), path);
        plea->request.url = weir_span_of(plea->url);
        plea->call.tls = config;
    }
}

static int set_up(void **state)
{
    (void)weir_bench_make_certificates(state);
    options = weir_bench_server();
    options.protocols = "http/1.1";
    first = weir_tls_server_new(&options);
    options.context = first->options.context;
    config = weir_bench_new_config(NULL, NULL);
    return 0;
}

static int tear_down(void **state)
{
    weir_tls_config_release(config);
    weir_tls_server_free(first);
    return weir_bench_drop_certificates(state);
}
