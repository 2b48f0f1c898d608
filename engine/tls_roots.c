/* SPDX-License-Identifier: MIT */
/*
 * A list, searched from its beginning: some 150 roots, compared by length first, once for each
 * handshake that is not resumed.
 */
#include "engine/tls_roots.h"

#include "proto/span.h"

#include <string.h>

#include <wolfssl/options.h> /* before every other header of wolfSSL */

#include <wolfssl/wolfcrypt/hash.h>

enum { ROOM_AT_FIRST = 64 };

static bool make_room(weir_tls_roots *roots);
static bool digest_of(const weir_x509 *certificate, uint8_t *digest);
static weir_span put(uint8_t **at, weir_span octets);

void weir_tls_roots_init(weir_tls_roots *roots, const weir_allocator *allocator)
{
    *roots = (weir_tls_roots){.allocator = allocator};
}

void weir_tls_roots_clear(weir_tls_roots *roots)
{
    for (size_t i = 0; i < roots->count; ++i) {
        weir_release(roots->allocator, roots->items[i]);
    }
    weir_release(roots->allocator, roots->items);
    weir_tls_roots_init(roots, roots->allocator);
}

bool weir_tls_roots_add(weir_tls_roots *roots, const weir_x509 *x)
{
    size_t octets = x->subject.length + x->key_id.length + x->name_constraints.length;
    weir_tls_root *root;
    uint8_t *at;

    if (!make_room(roots)) {
        return false;
    }
    root = weir_alloc_zeroed(roots->allocator, sizeof(*root) + octets);
    if (!root) {
        return false;
    }
    at = (uint8_t *)(root + 1);
    root->subject = put(&at, x->subject);
    root->key_id = put(&at, x->key_id);
    root->name_constraints = put(&at, x->name_constraints);
    root->has_name_constraints = x->has_name_constraints;
    if (!digest_of(x, root->digest)) {
        weir_release(roots->allocator, root);
        return false;
    }
    roots->items[roots->count++] = root;
    return true;
}

const weir_tls_root *weir_tls_roots_same(const weir_tls_roots *roots, const weir_x509 *certificate)
{
    uint8_t digest[WEIR_TLS_DIGEST_OCTETS];

    if (!digest_of(certificate, digest)) {
        return NULL;
    }
    for (size_t i = 0; i < roots->count; ++i) {
        if (memcmp(roots->items[i]->digest, digest, sizeof(digest)) == 0) {
            return roots->items[i];
        }
    }
    return NULL;
}

const weir_tls_root *weir_tls_roots_issuer(const weir_tls_roots *roots,
                                           const weir_x509 *certificate, size_t *at)
{
    while (*at < roots->count) {
        const weir_tls_root *root = roots->items[(*at)++];
        bool ids = certificate->issuer_key_id.length > 0 && root->key_id.length > 0;

        if (weir_span_equal(root->subject, certificate->issuer) &&
            (!ids || weir_span_equal(root->key_id, certificate->issuer_key_id))) {
            return root;
        }
    }
    return NULL;
}

static bool make_room(weir_tls_roots *roots)
{
    size_t room = roots->room > 0 ? 2 * roots->room : ROOM_AT_FIRST;
    weir_tls_root **items;

    if (roots->count < roots->room) {
        return true;
    }
    items = weir_resize(roots->allocator, roots->items, room * sizeof(*items));
    if (!items) {
        return false;
    }
    roots->items = items;
    roots->room = room;
    return true;
}

static bool digest_of(const weir_x509 *certificate, uint8_t *digest)
{
    return wc_Sha256Hash(certificate->whole.at, (word32)certificate->whole.length, digest) == 0;
}

static weir_span put(uint8_t **at, weir_span octets)
{
    weir_span copy = {*at, octets.length};

    if (octets.length > 0) {
        memcpy(*at, octets.at, octets.length);
        *at += octets.length;
    }
    return copy;
}
