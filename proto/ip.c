/* SPDX-License-Identifier: MIT */
/*
 * IP addresses from text.
 *
 * inet_pton() would do it, but proto/ calls nothing of the system, it wants a NUL, and it does not
 * say where the text is wrong. The reading of IPv6 keeps the groups before and after "::" in one
 * array with the place of the gap, and opens the gap at the end.
 */
#include "proto/ip.h"

#include "proto/octet.h"

#include <string.h>

enum { GROUPS = 8, NO_GAP = GROUPS + 1 };

typedef struct reading {
    weir_span text;
    size_t at;
    uint16_t groups[GROUPS];
    size_t count;
    size_t gap; /* how many groups stand before "::" */
} reading;

static bool read_groups(reading *r);
static bool read_group(reading *r);
static bool read_colon(reading *r);
static bool read_v4_tail(reading *r);
static void open_gap(reading *r);

bool weir_ip_parse_v4(weir_span text, uint8_t address[4])
{
    uint8_t octets[4];
    size_t at = 0;
    for (size_t i = 0; i < 4; i++) {
        if (i > 0 && (at == text.length || text.at[at++] != '.')) {
            return false;
        }
        weir_span rest = weir_span_from(text, at);
        size_t digits = weir_octet_run(rest, WEIR_OCTET_DIGIT);
        if (digits == 0 || digits > 3 || (digits > 1 && rest.at[0] == '0')) {
            return false;
        }
        unsigned value = 0;
        for (size_t k = 0; k < digits; k++) {
            value = value * 10 + weir_octet_hex(rest.at[k]);
        }
        if (value > 255) {
            return false;
        }
        octets[i] = (uint8_t)value;
        at += digits;
    }
    if (at != text.length) {
        return false;
    }
    memcpy(address, octets, sizeof(octets));
    return true;
}

bool weir_ip_parse_v6(weir_span text, uint8_t address[16], size_t *bad)
{
    reading r = {.text = text, .gap = NO_GAP};
    if (!read_groups(&r)) {
        WEIR_ASSERT(r.at <= text.length);
        *bad = r.at;
        return false;
    }
    if (r.gap != NO_GAP) {
        open_gap(&r);
    }
    for (size_t i = 0; i < GROUPS; i++) {
        address[2 * i] = (uint8_t)(r.groups[i] >> 8);
        address[2 * i + 1] = (uint8_t)(r.groups[i] & 0xff);
    }
    return true;
}

/* Reads the whole text. False: r->at is where it goes wrong. */
static bool read_groups(reading *r)
{
    if (r->text.length >= 2 && r->text.at[0] == ':' && r->text.at[1] == ':') {
        r->gap = 0;
        r->at = 2;
    }
    while (r->at < r->text.length) {
        if (!read_group(r)) {
            return false;
        }
        if (r->at < r->text.length && !read_colon(r)) {
            return false;
        }
    }
    /* "::" stands for at least one group (RFC 4291 s2.2). */
    return r->gap == NO_GAP ? r->count == GROUPS : r->count < GROUPS;
}

static bool read_group(reading *r)
{
    weir_span rest = weir_span_from(r->text, r->at);
    size_t digits = weir_octet_run(weir_span_head(rest, 4), WEIR_OCTET_HEX);
    if (digits == 0 || r->count == GROUPS) {
        return false;
    }
    if (digits < rest.length && rest.at[digits] == '.') {
        return read_v4_tail(r);
    }
    uint16_t value = 0;
    for (size_t i = 0; i < digits; i++) {
        value = (uint16_t)(value << 4 | weir_octet_hex(rest.at[i]));
    }
    r->groups[r->count] = value;
    r->count++;
    r->at += digits;
    return true;
}

/* After a group: one colon and a further group, or the two colons of the gap. */
static bool read_colon(reading *r)
{
    weir_span rest = weir_span_from(r->text, r->at);
    if (rest.at[0] != ':' || rest.length == 1) {
        return false;
    }
    r->at++;
    if (rest.at[1] != ':') {
        return true;
    }
    if (r->gap != NO_GAP) {
        return false;
    }
    r->gap = r->count;
    r->at++;
    return true;
}

static bool read_v4_tail(reading *r)
{
    uint8_t octets[4];
    if (r->count > GROUPS - 2 || !weir_ip_parse_v4(weir_span_from(r->text, r->at), octets)) {
        return false;
    }
    r->groups[r->count] = (uint16_t)(octets[0] << 8 | octets[1]);
    r->groups[r->count + 1] = (uint16_t)(octets[2] << 8 | octets[3]);
    r->count += 2;
    r->at = r->text.length;
    return true;
}

/* Moves the groups that stand after the gap to the end. */
static void open_gap(reading *r)
{
    size_t after = r->count - r->gap;
    memmove(r->groups + GROUPS - after, r->groups + r->gap, after * sizeof(r->groups[0]));
    memset(r->groups + r->gap, 0, (GROUPS - r->count) * sizeof(r->groups[0]));
}
