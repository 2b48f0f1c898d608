/* SPDX-License-Identifier: MIT */
/*
 * The memory of the peer's session: the simulator's own, which is given back when the run ends.
 */
#include <string.h>

#include "peer_h2.h"

typedef struct block {
    size_t octets;
    max_align_t at[];
} block;

static void *session_alloc(size_t octets, void *user);
static void session_release(void *at, void *user);
static void *session_zeroed(size_t count, size_t octets, void *user);
static void *session_resize(void *at, size_t octets, void *user);

nghttp2_mem sim_h2_memory(sim_world *world)
{
    return (nghttp2_mem){world, session_alloc, session_release, session_zeroed, session_resize};
}

static void *session_alloc(size_t octets, void *user)
{
    block *made = sim_room(user, sizeof(*made) + octets);

    made->octets = octets;
    return made->at;
}

static void session_release(void *at, void *user)
{
    (void)at;
    (void)user;
}

static void *session_zeroed(size_t count, size_t octets, void *user)
{
    return session_alloc(count * octets, user);
}

static void *session_resize(void *at, size_t octets, void *user)
{
    if (at == NULL) {
        return session_alloc(octets, user);
    }
    const block *old = WEIR_CONTAINER_OF(at, block, at);
    if (octets <= old->octets) {
        return at;
    }
    void *grown = session_alloc(octets, user);
    memcpy(grown, at, old->octets);
    return grown;
}
