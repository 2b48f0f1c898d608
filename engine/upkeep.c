/* SPDX-License-Identifier: MIT */
/* From a URL to what the pool understands: see upkeep.h. */
#include "engine/upkeep.h"

#include <string.h>

#include "proto/alloc.h"

weir_status weir_whereabouts_init(weir_whereabouts *where, weir_span url,
                                  const weir_allocator *allocator)
{
    weir_target target;
    weir_failure failure;

    memset(where, 0, sizeof(*where));
    where->allocator = allocator;
    if (url.length == 0) {
        return WEIR_OK;
    }
    if (url.length > WEIR_URL_LIMIT_OCTETS) {
        return WEIR_E_URL_TOO_LONG;
    }
    where->storage = weir_alloc(allocator, url.length + WEIR_TARGET_SLACK_OCTETS);
    if (where->storage == NULL) {
        return WEIR_E_NOMEM;
    }
    const weir_status status = weir_target_parse(&target, url, where->storage,
                                                 url.length + WEIR_TARGET_SLACK_OCTETS, &failure);
    if (status != WEIR_OK) {
        weir_whereabouts_clear(where);
        return status;
    }
    where->key.https = target.https;
    where->key.host = target.host;
    where->key.zone = target.zone;
    where->key.port = target.port;
    where->drain.origin = &where->key;
    return WEIR_OK;
}

void weir_whereabouts_clear(weir_whereabouts *where)
{
    weir_release(where->allocator, where->storage);
    where->storage = NULL;
}
