/* SPDX-License-Identifier: MIT */
/*
 * The few functions of the public base header that are not inline: spans of text and names.
 *
 * The version comes from the build, which reads it from one place (the project line).
 */
#include "proto/base.h"

#include <string.h>

weir_span weir_span_of(const char *text)
{
    if (!text) {
        return (weir_span){NULL, 0};
    }
    return (weir_span){(const uint8_t *)text, strlen(text)};
}

const char *weir_protocol_name(weir_protocol protocol)
{
    switch (protocol) {
    case WEIR_H1:
        return "HTTP/1.1";
    case WEIR_H2:
        return "HTTP/2";
    case WEIR_PROTOCOL_ANY:
        return "any";
    }
    return "unknown";
}

const char *weir_version(void)
{
    return WEIR_VERSION;
}
