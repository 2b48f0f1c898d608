/* SPDX-License-Identifier: MIT */
/*
 * Look-ups over c-ares, or over a caller's resolver. Beside it only os_resolve_ares.c names c-ares.
 *
 * Each family is asked by itself, so that each answers by itself (RFC 8305 s3). c-ares cannot
 * cancel one look-up of several: an ended look-up lives on, silent, until its callbacks have come.
 * A channel that is freed makes all of them come.
 *
 * A name is asked for once however many look-ups of it are under way: one that begins while
 * another's answers are outstanding waits for those, and the question goes on as long as any of them
 * does.
 *
 * c-ares calls back from inside ares_*; the callbacks only store the answer, which is pulled
 * afterwards. c-ares uses malloc, as it is told of allocators for the whole process only.
 *
 * The order of addresses within a family stays that of the answer (ARES_AI_NOSORT): sorting by RFC
 * 6724 would cost c-ares a socket and two system calls for each address, and what matters of it,
 * which family goes first and that neither is waited for, RFC 8305 decides anew in dial.c.
 */
#define _GNU_SOURCE
#include "engine/resolve.h"

#include <ares.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>

#include "engine/address.h"
#include "engine/held.h"
#include "engine/os.h"
#include "engine/os_resolve_ares.h"
#include "engine/record.h"
#include "proto/alloc.h"
#include "proto/list.h"
#include "proto/span.h"

#define WATCHES     32
#define NAME_OCTETS 255 /* of a name in a question, each label's length and the root with it */

typedef struct answer {
    bool came;
    weir_status status;
    weir_address addresses[WEIR_DIAL_ADDRESSES];
    size_t count;
} answer;

typedef struct question {
    weir_lookup *lookup;
    uint8_t family;
} question;

struct weir_lookup {
    weir_list place;
    weir_channel *channel;
    void *user;
    weir_lookup *asks; /* who asks for it: itself, or an older one of the same name */
    bool told[2];
    bool ended;
    /* Of one that asks. */
    weir_mutex lock; /* answers: a custom resolver may answer from any thread */
    answer *answers; /* two */
    question questions[2];
    int outstanding; /* c-ares callbacks that are still to come */
    size_t wanted;   /* look-ups that wait for its answers and were not ended */
    char host[];     /* with a NUL */
};

typedef struct watch {
    int fd;
    bool readable;
    bool writable;
    bool changed;
} watch;

struct weir_channel {
    weir_channel_options options;
    weir_resolver resolver; /* of the options, as far as it goes; without `start`: c-ares */
    ares_channel ares;
    bool has_ares;
    int signal; /* an answer of a custom resolver came; -1: there is `notify` for that */
    weir_list lookups;
    watch watches[WATCHES];
    size_t watch_count;
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static void library_begin(void);
static weir_status open_ares(weir_channel *channel);
static weir_status open_signal(weir_channel *channel);
static void socket_state(void *user, ares_socket_t fd, int readable, int writable);
static void note(const weir_channel *channel, int fd);
static void strike(const weir_channel *channel, int fd);
static void came(void *user, int ares_status, int timeouts, struct ares_addrinfo *result);
static void store(weir_lookup *lookup, const weir_answer *given);
static weir_lookup *new_lookup(weir_channel *channel, weir_span host, bool asks);
static weir_lookup *who_asks(const weir_channel *channel, weir_span host);
static bool is_complete(weir_lookup *asking);
static void give_up_missing(weir_lookup *lookup);
static void ask(weir_lookup *lookup);
static bool fits_a_question(const char *host);
static bool is_in_hosts(weir_channel *channel, const char *host, int family);
static void free_lookup(weir_lookup *lookup);
static bool is_failure(weir_status status);

weir_channel *weir_channel_new(const weir_channel_options *options, weir_status *status)
{
    weir_channel *channel = weir_alloc_zeroed(options->allocator, sizeof(*channel));

    *status = WEIR_E_NOMEM;
    if (channel == NULL) {
        return NULL;
    }
    channel->options = *options;
    channel->signal = -1;
    (void)weir_record_read(&channel->resolver, sizeof(channel->resolver), options->resolver);
    weir_list_init(&channel->lookups);
    *status = options->resolver == NULL ? open_ares(channel) : open_signal(channel);
    if (*status != WEIR_OK) {
        weir_channel_free(channel);
        return NULL;
    }
    return channel;
}

void weir_channel_free(weir_channel *channel)
{
    if (channel == NULL) {
        return;
    }
    for (weir_list *at = channel->lookups.next; at != &channel->lookups;) {
        weir_lookup *lookup = WEIR_CONTAINER_OF(at, weir_lookup, place);
        at = at->next;
        if (!lookup->ended) {
            weir_channel_end(channel, lookup);
        }
    }
    if (channel->has_ares) {
        ares_destroy(channel->ares);
    }
    if (channel->signal >= 0) {
        strike(channel, channel->signal);
        weir_os_close(channel->signal);
    }
    WEIR_ASSERT(weir_list_is_empty(&channel->lookups));
    weir_release(channel->options.allocator, channel);
}

weir_lookup *weir_channel_start(weir_channel *channel, weir_span host, void *user, weir_time now_ns)
{
    weir_lookup *asking = who_asks(channel, host);
    weir_lookup *lookup = new_lookup(channel, host, asking == NULL);

    (void)now_ns;
    if (lookup == NULL) {
        return NULL;
    }
    lookup->user = user;
    lookup->asks = asking != NULL ? asking : lookup;
    lookup->asks->wanted++;
    weir_list_push_back(&channel->lookups, &lookup->place);
    if (asking != NULL) {
        return lookup;
    }
    if (channel->resolver.start != NULL) {
        channel->resolver.start(lookup, host, channel->resolver.user);
        if (channel->resolver.cancel == NULL) {
            give_up_missing(lookup);
        }
    } else {
        ask(lookup);
    }
    return lookup;
}

void weir_channel_end(weir_channel *channel, weir_lookup *lookup)
{
    const weir_resolver *resolver = &channel->resolver;
    weir_lookup *asking = lookup->asks;
    const bool cancels = asking->wanted == 1 && resolver->cancel != NULL && !is_complete(asking);

    WEIR_ASSERT(!lookup->ended);
    lookup->ended = true;
    asking->wanted--;
    if (lookup != asking) {
        free_lookup(lookup);
    }
    if (asking->wanted > 0) {
        return;
    }
    if (cancels) {
        resolver->cancel(asking, resolver->user);
    }
    if (asking->outstanding == 0) {
        free_lookup(asking);
    }
}

bool weir_channel_next_answer(weir_channel *channel, weir_lookup_answer *out)
{
    for (weir_list *at = channel->lookups.next; at != &channel->lookups; at = at->next) {
        weir_lookup *lookup = WEIR_CONTAINER_OF(at, weir_lookup, place);
        weir_lookup *asking = lookup->asks;
        weir_mutex_lock(&asking->lock);
        for (size_t i = 0; i < 2 && !lookup->ended; i++) {
            const answer *next = &asking->answers[1 - i];
            if (next->came && !lookup->told[1 - i]) {
                lookup->told[1 - i] = true;
                *out = (weir_lookup_answer){
                    .lookup = lookup,
                    .user = lookup->user,
                    .answer = {.family = i == 0 ? 6 : 4,
                               .status = next->status,
                               .addresses = next->addresses,
                               .count = next->count},
                };
                weir_mutex_unlock(&asking->lock);
                return true;
            }
        }
        weir_mutex_unlock(&asking->lock);
    }
    return false;
}

size_t weir_channel_polls(const weir_channel *channel, weir_poll *polls, size_t room)
{
    size_t count = 0;

    if (channel->signal >= 0) {
        if (room > 0) {
            polls[0] = (weir_poll){.fd = channel->signal, .events = POLLIN};
        }
        count++;
    }
    for (size_t i = 0; i < channel->watch_count; i++) {
        const watch *at = &channel->watches[i];
        if (at->readable || at->writable) {
            if (count < room) {
                polls[count] = (weir_poll){
                    .fd = at->fd,
                    .events = (short)((at->readable ? POLLIN : 0) | (at->writable ? POLLOUT : 0)),
                };
            }
            count++;
        }
    }
    return count;
}

bool weir_channel_next_watch(weir_channel *channel, weir_poll *out)
{
    for (size_t i = 0; i < channel->watch_count; i++) {
        watch *at = &channel->watches[i];
        if (at->changed) {
            at->changed = false;
            *out = (weir_poll){
                .fd = at->fd,
                .events = (short)((at->readable ? POLLIN : 0) | (at->writable ? POLLOUT : 0)),
            };
            return true;
        }
    }
    return false;
}

void weir_channel_ready(weir_channel *channel, int fd, bool readable, bool writable,
                        weir_time now_ns)
{
    (void)now_ns;
    if (fd >= 0 && fd == channel->signal) {
        weir_os_signal_clear(fd);
    } else if (channel->has_ares && (fd >= 0 || !weir_list_is_empty(&channel->lookups))) {
        ares_process_fd(channel->ares, readable && fd >= 0 ? fd : ARES_SOCKET_BAD,
                        writable && fd >= 0 ? fd : ARES_SOCKET_BAD);
    }
}

weir_time weir_channel_deadline(const weir_channel *channel, weir_time now_ns)
{
    struct timeval left;

    if (!channel->has_ares || weir_list_is_empty(&channel->lookups) ||
        ares_timeout(channel->ares, NULL, &left) == NULL) {
        return WEIR_NEVER;
    }
    return weir_time_add(now_ns, (weir_time)left.tv_sec * WEIR_NS_PER_SECOND +
                                     (weir_time)left.tv_usec * 1000);
}

void weir_resolver_answer(weir_lookup *lookup, uint8_t family, weir_status status,
                          const weir_address *addresses, size_t count)
{
    const weir_channel *channel = lookup->channel;

    WEIR_ASSERT(family == 4 || family == 6);
    /* The owner is told with the lock held: once it is let go both the look-up and its channel may
     * be gone. */
    weir_mutex_lock(&lookup->lock);
    const weir_answer given = {
        .family = family,
        .status = status == WEIR_OK || is_failure(status) ? status : WEIR_E_DNS_FAILED,
        .addresses = addresses,
        .count = count,
    };
    store(lookup, &given);
    if (channel->options.notify != NULL) {
        channel->options.notify(channel->options.user);
    } else {
        weir_os_signal_raise(channel->signal);
    }
    weir_mutex_unlock(&lookup->lock);
}

static void library_begin(void)
{
    (void)ares_library_init(ARES_LIB_INIT_ALL);
}

static weir_status open_ares(weir_channel *channel)
{
    struct ares_options ares;

    (void)pthread_once(&library_once, library_begin);
    memset(&ares, 0, sizeof(ares));
    ares.sock_state_cb = socket_state;
    ares.sock_state_cb_data = channel;
    int mask = ARES_OPT_SOCK_STATE_CB;
#ifdef ARES_OPT_QUERY_CACHE
    /* Answers are remembered in one place (shared.c), where a changed network can make them
     * forgotten. */
    ares.qcache_max_ttl = 0;
    mask |= ARES_OPT_QUERY_CACHE;
#endif
    const int result = ares_init_options(&channel->ares, &ares, mask);
    if (result != ARES_SUCCESS) {
        return weir_ares_status(result);
    }
    channel->has_ares = true;
    if (channel->options.servers != NULL) {
        return weir_ares_status(
            ares_set_servers_ports_csv(channel->ares, channel->options.servers));
    }
    return WEIR_OK;
}

static weir_status open_signal(weir_channel *channel)
{
    if (channel->options.notify != NULL) {
        return WEIR_OK;
    }
    weir_status status = WEIR_OK;

    channel->signal = weir_os_signal_new(&status);
    note(channel, channel->signal);
    return status;
}

/*
 * A socket that c-ares closes is forgotten, never removed from epoll by number: the kernel removed
 * it with the close, and the number may be someone else's by then.
 */
static void socket_state(void *user, ares_socket_t fd, int readable, int writable)
{
    weir_channel *channel = user;
    size_t i = 0;

    while (i < channel->watch_count && channel->watches[i].fd != fd) {
        i++;
    }
    if (!readable && !writable) {
        strike(channel, fd); /* c-ares closes it after this */
        if (i < channel->watch_count) {
            channel->watches[i] = channel->watches[--channel->watch_count];
        }
        return;
    }
    if (i == channel->watch_count) {
        note(channel, fd);
        if (i == WATCHES) {
            return; /* c-ares asks at most ARES_GETSOCK_MAXNUM servers; its time-out covers the rest
                     */
        }
        channel->watch_count++;
    }
    channel->watches[i] =
        (watch){.fd = fd, .readable = readable != 0, .writable = writable != 0, .changed = true};
}

static void note(const weir_channel *channel, int fd)
{
    if (channel->options.held != NULL && fd >= 0) {
        weir_held_note(channel->options.held, fd);
    }
}

static void strike(const weir_channel *channel, int fd)
{
    if (channel->options.held != NULL) {
        weir_held_strike(channel->options.held, fd);
    }
}

static weir_lookup *new_lookup(weir_channel *channel, weir_span host, bool asks)
{
    const weir_allocator *allocator = channel->options.allocator;
    weir_lookup *lookup = weir_alloc_zeroed(allocator, sizeof(*lookup) + host.length + 1);

    if (lookup == NULL) {
        return NULL;
    }
    lookup->channel = channel;
    weir_list_init(&lookup->place);
    memcpy(lookup->host, host.at, host.length);
    if (!asks) {
        return lookup;
    }
    lookup->answers = weir_alloc_zeroed(allocator, 2 * sizeof(*lookup->answers));
    if (lookup->answers == NULL || !weir_mutex_init(&lookup->lock)) {
        weir_release(allocator, lookup->answers);
        weir_release(allocator, lookup);
        return NULL;
    }
    return lookup;
}

/* Whose answers for that name are wanted, and were not both taken: what was taken is remembered
 * elsewhere, or is no news of now. */
static weir_lookup *who_asks(const weir_channel *channel, weir_span host)
{
    for (weir_list *at = channel->lookups.next; at != &channel->lookups; at = at->next) {
        weir_lookup *lookup = WEIR_CONTAINER_OF(at, weir_lookup, place);
        const bool untold = !lookup->ended && !(lookup->told[0] && lookup->told[1]);
        if (lookup->asks == lookup && lookup->wanted > 0 && (untold || !is_complete(lookup)) &&
            weir_span_equal(weir_span_of(lookup->host), host)) {
            return lookup;
        }
    }
    return NULL;
}

static bool is_complete(weir_lookup *asking)
{
    weir_mutex_lock(&asking->lock);
    const bool complete = asking->answers[0].came && asking->answers[1].came;
    weir_mutex_unlock(&asking->lock);
    return complete;
}

/* Of a resolver that cannot be told to stop: what it did not answer before it returned. */
static void give_up_missing(weir_lookup *lookup)
{
    static const uint8_t families[] = {4, 6};

    weir_mutex_lock(&lookup->lock);
    for (size_t i = 0; i < WEIR_COUNT_OF(families); i++) {
        const weir_answer none = {.family = families[i], .status = WEIR_E_DNS_FAILED};
        store(lookup, &none);
    }
    weir_mutex_unlock(&lookup->lock);
}

static void ask(weir_lookup *lookup)
{
    const char *host = lookup->host;
    struct ares_addrinfo_hints hints;

    memset(&hints, 0, sizeof(hints));
    hints.ai_flags = ARES_AI_NOSORT;
    hints.ai_socktype = SOCK_STREAM;
    const bool in_hosts[] = {is_in_hosts(lookup->channel, host, AF_INET),
                             is_in_hosts(lookup->channel, host, AF_INET6)};

    const bool fits = fits_a_question(host);

    lookup->outstanding = 2;
    for (size_t i = 0; i < 2; i++) {
        lookup->questions[i] = (question){lookup, i == 0 ? 6 : 4};
        hints.ai_family = i == 0 ? AF_INET6 : AF_INET;
        if (!fits || (in_hosts[i] && !in_hosts[1 - i])) {
            came(&lookup->questions[i], fits ? ARES_ENODATA : ARES_EBADNAME, 0, NULL);
        } else {
            ares_getaddrinfo(lookup->channel->ares, host, NULL, &hints, came,
                             &lookup->questions[i]);
        }
    }
}

/* RFC 1035 s2.3.4. The c-ares of Debian 13 asks for names that are longer than there are. */
static bool fits_a_question(const char *host)
{
    const size_t length = strlen(host);
    const bool has_root = length > 0 && host[length - 1] == '.';

    return length + (has_root ? 1 : 2) <= NAME_OCTETS;
}

/* A name that the hosts file has is not asked for its other family: it never reaches the network.
 */
static bool is_in_hosts(weir_channel *channel, const char *host, int family)
{
    struct hostent *found = NULL;
    const int result = ares_gethostbyname_file(channel->ares, host, family, &found);

    if (found != NULL) {
        ares_free_hostent(found);
    }
    return result == ARES_SUCCESS;
}

static void came(void *user, int ares_status, int timeouts, struct ares_addrinfo *result)
{
    question *asked = user;
    weir_lookup *lookup = asked->lookup;
    weir_address addresses[WEIR_DIAL_ADDRESSES];
    size_t count = 0;

    (void)timeouts;
    if (result != NULL) {
        count = weir_ares_addresses(result, addresses);
        ares_freeaddrinfo(result);
    }
    lookup->outstanding--;
    if (lookup->wanted == 0) {
        if (lookup->outstanding == 0) {
            free_lookup(lookup);
        }
        return;
    }
    weir_status status = weir_ares_status(ares_status);
    if (status == WEIR_OK && count == 0) {
        status = WEIR_E_DNS_NOT_FOUND;
    }
    weir_mutex_lock(&lookup->lock);
    const weir_answer given = {
        .family = asked->family, .status = status, .addresses = addresses, .count = count};
    store(lookup, &given);
    weir_mutex_unlock(&lookup->lock);
}

/* With the look-up's lock. The first answer of a family stands. */
static void store(weir_lookup *lookup, const weir_answer *given)
{
    answer *to = &lookup->answers[weir_family_index(given->family)];

    if (!to->came) {
        to->came = true;
        to->status = given->status;
        to->count = weir_min(given->count, WEIR_DIAL_ADDRESSES);
        if (to->count > 0) {
            memcpy(to->addresses, given->addresses, to->count * sizeof(to->addresses[0]));
        }
    }
}

static void free_lookup(weir_lookup *lookup)
{
    const weir_allocator *allocator = lookup->channel->options.allocator;

    weir_list_remove(&lookup->place);
    if (lookup->answers != NULL) {
        weir_mutex_clear(&lookup->lock);
        weir_release(allocator, lookup->answers);
    }
    weir_release(allocator, lookup);
}

static bool is_failure(weir_status status)
{
    return status < 0 && weir_status_blame(status) != WEIR_BLAME_NONE;
}
