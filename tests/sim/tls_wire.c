/* SPDX-License-Identifier: MIT */
/* Records of the stand-in: see tls_wire.h. */
#include "tls_wire.h"

#include <string.h>

#include "dice.h"

static uint64_t tag_of(const sim_tls_key *key, uint8_t type, const uint8_t *content, size_t length);
static void scramble(const sim_tls_key *key, uint8_t *at, size_t length);
static void write_head(uint8_t *to, uint8_t type, size_t length);

sim_tls_key sim_tls_key_of(uint64_t client, uint64_t server, bool to_server)
{
    return (sim_tls_key){sim_mix(client ^ sim_mix(server + (to_server ? 1 : 2))), 0};
}

void sim_tls_key_next(sim_tls_key *key)
{
    *key = (sim_tls_key){sim_mix(key->key + 1), 0};
}

size_t sim_tls_write(uint8_t *to, uint8_t type, weir_span content)
{
    write_head(to, type, content.length);
    memcpy(to + SIM_TLS_HEAD_OCTETS, content.at, content.length);
    return SIM_TLS_HEAD_OCTETS + content.length;
}

size_t sim_tls_seal(sim_tls_key *key, uint8_t *to, uint8_t type, weir_span content)
{
    uint8_t *body = to + SIM_TLS_HEAD_OCTETS;
    const uint64_t tag = tag_of(key, type, content.at, content.length);

    WEIR_ASSERT(content.length <= SIM_TLS_PLAIN_MOST);
    write_head(to, SIM_TLS_DATA, content.length + 1 + SIM_TLS_TAG_OCTETS);
    if (content.length > 0) {
        memcpy(body, content.at, content.length);
    }
    body[content.length] = type;
    scramble(key, body, content.length + 1);
    memcpy(body + content.length + 1, &tag, sizeof(tag));
    key->number++;
    return content.length + SIM_TLS_OVERHEAD_OCTETS;
}

bool sim_tls_open(sim_tls_key *key, uint8_t *body, size_t length, uint8_t *type, weir_span *content)
{
    uint64_t tag = 0;

    if (length < 1 + SIM_TLS_TAG_OCTETS) {
        return false;
    }
    const size_t octets = length - 1 - SIM_TLS_TAG_OCTETS;
    scramble(key, body, octets + 1);
    memcpy(&tag, body + octets + 1, sizeof(tag));
    *type = body[octets];
    *content = (weir_span){body, octets};
    if (tag != tag_of(key, *type, body, octets)) {
        return false;
    }
    key->number++;
    return true;
}

static uint64_t tag_of(const sim_tls_key *key, uint8_t type, const uint8_t *content, size_t length)
{
    uint64_t tag = sim_mix(key->key ^ sim_mix(key->number * 256 + type));

    for (size_t i = 0; i < length; i++) {
        tag = (tag ^ content[i]) * UINT64_C(0x100000001b3);
    }
    return sim_mix(tag ^ length);
}

/* So that nobody reads the content by mistake. */
static void scramble(const sim_tls_key *key, uint8_t *at, size_t length)
{
    const uint8_t octet = (uint8_t)(sim_mix(key->key ^ key->number) | 1);

    for (size_t i = 0; i < length; i++) {
        at[i] ^= octet;
    }
}

static void write_head(uint8_t *to, uint8_t type, size_t length)
{
    to[0] = type;
    to[1] = 3;
    to[2] = 3;
    to[3] = (uint8_t)(length >> 8);
    to[4] = (uint8_t)length;
}
