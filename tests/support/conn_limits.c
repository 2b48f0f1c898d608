/* SPDX-License-Identifier: MIT */
/* See conn_limits.h. */
#include "support/conn_limits.h"

weir_conn_limits __real_weir_conn_limits_fill(const weir_conn_limits *limits,
                                              weir_protocol protocol);
weir_conn_limits __wrap_weir_conn_limits_fill(const weir_conn_limits *limits,
                                              weir_protocol protocol);

static weir_conn_limits_change *changes;

void weir_conn_limits_are_changed(weir_conn_limits_change *change)
{
    changes = change;
}

weir_conn_limits __wrap_weir_conn_limits_fill(const weir_conn_limits *limits,
                                              weir_protocol protocol)
{
    weir_conn_limits filled = __real_weir_conn_limits_fill(limits, protocol);

    if (changes != NULL) {
        changes(&filled, protocol);
    }
    return filled;
}
