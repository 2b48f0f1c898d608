/* SPDX-License-Identifier: MIT */
/*
 * The command line of weir-explain: curl's words where it has them.
 *
 * Ownership: strings point into argv, which lives longer; the body is the options' own.
 */
#ifndef EXPLAIN_OPTIONS_H
#define EXPLAIN_OPTIONS_H

#include <weir/weir.h>

#define EXPLAIN_URLS   256
#define EXPLAIN_FIELDS 64
#define EXPLAIN_ROUTES 16

/* --connect-to and --resolve: who asks for host:port is sent to another address. */
typedef struct explain_route {
    weir_span host; /* empty: any */
    uint16_t port;  /* 0: any */
    weir_span to_host;
    uint16_t to_port; /* 0: the same */
} explain_route;

typedef struct explain_options {
    const char *urls[EXPLAIN_URLS];
    size_t url_count;
    const char *method;
    weir_field fields[EXPLAIN_FIELDS];
    size_t field_count;
    bool has_type; /* a field says what the body is, or that nothing shall say it */
    bool has_body;
    uint8_t *body;
    size_t body_octets;
    size_t body_room;
    explain_route routes[EXPLAIN_ROUTES];
    size_t route_count;
    const char *ca_file;
    bool insecure;
    weir_protocol pin;
    weir_time max_time_ns;
    weir_time connect_timeout_ns;
    const char *write_out;
    bool async;
    bool parallel;
    bool json;
    bool snapshot;
    uint32_t connections; /* to an origin; 0: the default */
    bool head;
} explain_options;

typedef enum options_outcome { OPTIONS_OK, OPTIONS_HELP, OPTIONS_WRONG } options_outcome;

/* Prints what is wrong to standard error. The options are to be cleared whatever comes of it. */
options_outcome options_read(explain_options *options, int argc, char **argv);
void options_clear(explain_options *options);
void options_help(void);

#endif
