/* SPDX-License-Identifier: MIT */
/* See os_resolve_ares.h. */
#include "engine/os_resolve_ares.h"

#include <ares.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>

#include "engine/os.h"

static int ttl_of_aliases(const struct ares_addrinfo *result);

weir_status weir_ares_status(int ares_status)
{
    switch (ares_status) {
    case ARES_SUCCESS:
        return WEIR_OK;
    case ARES_ENOTFOUND:
    case ARES_ENODATA:
    case ARES_EBADNAME:
        return WEIR_E_DNS_NOT_FOUND;
    case ARES_ENOMEM:
        return WEIR_E_NOMEM;
    case ARES_ETIMEOUT:
        return WEIR_E_DEADLINE_DNS;
    default:
        /* c-ares does not say why it could open neither its files nor its sockets. */
        return weir_os_descriptors_ran_out() ? WEIR_E_DESCRIPTORS : WEIR_E_DNS_FAILED;
    }
}

size_t weir_ares_addresses(const struct ares_addrinfo *result, weir_address *addresses)
{
    const int aliases_ttl = ttl_of_aliases(result);
    size_t count = 0;

    for (const struct ares_addrinfo_node *at = result->nodes; at != NULL; at = at->ai_next) {
        if (count == WEIR_DIAL_ADDRESSES) {
            break;
        }
        weir_address *to = &addresses[count];
        memset(to, 0, sizeof(*to));
        const int ttl = at->ai_ttl < aliases_ttl ? at->ai_ttl : aliases_ttl;
        to->ttl_seconds = ttl > 0 ? (uint32_t)ttl : 0;
        if (at->ai_family == AF_INET) {
            const struct sockaddr_in *in = (const void *)at->ai_addr;
            to->family = 4;
            memcpy(to->octets, &in->sin_addr, WEIR_IPV4_OCTETS);
            count++;
        } else if (at->ai_family == AF_INET6) {
            const struct sockaddr_in6 *in6 = (const void *)at->ai_addr;
            to->family = 6;
            to->scope = in6->sin6_scope_id;
            memcpy(to->octets, &in6->sin6_addr, WEIR_IPV6_OCTETS);
            count++;
        }
    }
    return count;
}

/* An address that was found through aliases (CNAME) is known no longer than the shortest of them.
 */
static int ttl_of_aliases(const struct ares_addrinfo *result)
{
    int ttl = INT_MAX;

    for (const struct ares_addrinfo_cname *at = result->cnames; at != NULL; at = at->next) {
        ttl = at->ttl < ttl ? at->ttl : ttl;
    }
    return ttl;
}
