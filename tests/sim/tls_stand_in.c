/* SPDX-License-Identifier: MIT */
/* A stand-in for engine/tls*.c, put in their place by the linker. */
#include "engine/tls.h"

weir_tls_config *weir_tls_config_new(const weir_tls_options *options,
                                     const weir_allocator *allocator, weir_status *status,
                                     weir_failure *failure)
{
    (void)options;
    (void)allocator;
    (void)failure;
    *status = WEIR_E_UNSUPPORTED;
    return NULL;
}

weir_tls_config *weir_tls_config_acquire(weir_tls_config *config)
{
    return config;
}

void weir_tls_config_release(weir_tls_config *config)
{
    (void)config;
}

weir_tls *weir_tls_new(const weir_tls_filter_options *options, weir_status *status)
{
    (void)options;
    *status = WEIR_E_TLS_CONFIG;
    return NULL;
}

void weir_tls_free(weir_tls *tls)
{
    (void)tls;
}

void weir_tls_start(weir_tls *tls)
{
    (void)tls;
}

size_t weir_tls_feed(weir_tls *tls, weir_span octets, weir_tls_record *record)
{
    (void)tls;
    (void)octets;
    (void)record;
    return 0;
}

size_t weir_tls_torn_received(const weir_tls *tls)
{
    (void)tls;
    return 0;
}

void weir_tls_plain_done(weir_tls *tls)
{
    (void)tls;
}

void weir_tls_end(weir_tls *tls)
{
    (void)tls;
}

bool weir_tls_can_seal(const weir_tls *tls)
{
    (void)tls;
    return false;
}

weir_status weir_tls_seal(weir_tls *tls, weir_span plain)
{
    (void)tls;
    (void)plain;
    return WEIR_E_TLS_CONFIG;
}

void weir_tls_close(weir_tls *tls)
{
    (void)tls;
}

weir_span weir_tls_pending(const weir_tls *tls, size_t skip)
{
    (void)tls;
    (void)skip;
    return (weir_span){NULL, 0};
}

void weir_tls_sent(weir_tls *tls, size_t octets)
{
    (void)tls;
    (void)octets;
}

bool weir_tls_next_sent(weir_tls *tls, weir_tls_record *record)
{
    (void)tls;
    (void)record;
    return false;
}

size_t weir_tls_torn_sent(const weir_tls *tls)
{
    (void)tls;
    return 0;
}

bool weir_tls_wants_pause(const weir_tls *tls)
{
    (void)tls;
    return false;
}

weir_tls_state weir_tls_state_of(const weir_tls *tls)
{
    (void)tls;
    return WEIR_TLS_FAILED;
}

weir_failure weir_tls_failure(const weir_tls *tls)
{
    (void)tls;
    return (weir_failure){.status = WEIR_E_TLS_CONFIG};
}

weir_protocol weir_tls_protocol(const weir_tls *tls)
{
    (void)tls;
    return WEIR_PROTOCOL_ANY;
}

weir_tls_facts weir_tls_describe(const weir_tls *tls)
{
    (void)tls;
    return (weir_tls_facts){.version = "none"};
}
