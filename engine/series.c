/* SPDX-License-Identifier: MIT */
/*
 * The account by series. See series.h.
 *
 * Names of hosts are chosen by strangers, and status codes by servers, so both tables have a seeded
 * hash. A server's octets are hashed once for each request, when it starts; the series that it comes
 * to later are hashed by the server's number and one word.
 */
#include "engine/series.h"

#include <string.h>

#include "engine/family.h"
#include "proto/sip.h"

static const char known_methods[] = "GET,HEAD,POST,PUT,DELETE,CONNECT,OPTIONS,TRACE,PATCH";

static weir_series_account *new_account(const weir_series_options *options, size_t octets);
static void read_methods(weir_series_account *account);
static uint16_t number_of(const weir_series_account *account, weir_span method);
static uint64_t hash_of_server(const weir_series_account *account, const weir_server_key *key);
static weir_server *find_server(const weir_series_account *account, const weir_server_key *key,
                                uint64_t hash);
static weir_server *server_of(weir_series_account *account, const weir_server_key *key,
                              weir_series_kind kind);
static uint64_t hash_of_series(const weir_series_account *account, const weir_server *server,
                               weir_series_key key);
static weir_series *find_series(const weir_series_account *account, const weir_server *server,
                                weir_series_key key, uint64_t hash);
static weir_series *series_of(weir_series_account *account, const weir_server *server,
                              weir_series_key key);
static bool has_room(const weir_series_account *account, weir_series_kind kind);
static uint64_t open_of(const weir_series *series);

weir_series_account *weir_series_account_new(const weir_series_options *options)
{
    weir_series_options with = *options;

    if (with.methods == NULL) {
        with.methods = known_methods;
    }
    return new_account(&with, strlen(with.methods) + 1);
}

weir_series_account *weir_series_account_anew(const weir_series_account *of, uint64_t seed)
{
    const weir_series_options options = {
        .allocator = of->allocator,
        .seed = seed,
        .limit = of->limit,
        .methods = of->method_text,
    };

    return new_account(&options, of->method_octets);
}

void weir_series_account_free(weir_series_account *account)
{
    if (account != NULL) {
        weir_series_account_forget(account);
        weir_table_clear(&account->by_server);
        weir_table_clear(&account->by_key);
        weir_release(account->allocator, account->methods);
        weir_release(account->allocator, account->method_text);
        weir_release(account->allocator, account);
    }
}

void weir_series_account_forget(weir_series_account *account)
{
    for (size_t kind = 0; kind < WEIR_SERIES_KINDS; kind++) {
        while (account->series[kind] != NULL) {
            weir_series *series = account->series[kind];
            account->series[kind] = series->next;
            weir_table_leave(&account->by_key, &series->entry);
            weir_release(account->allocator, series);
        }
        account->series_end[kind] = &account->series[kind];
        account->count[kind] = 0;
        memset(&account->rest[kind].numbers, 0, sizeof(account->rest[kind].numbers));
    }
    while (account->servers != NULL) {
        weir_server *server = account->servers;
        account->servers = server->next;
        weir_table_leave(&account->by_server, &server->entry);
        weir_release(account->allocator, server);
    }
    account->servers_end = &account->servers;
    account->server_count = 0;
    account->host_octets = 0;
}

weir_server_key weir_server_key_of_target(const weir_target *target)
{
    return (weir_server_key){target->https, target->port, target->host, target->zone};
}

weir_server_key weir_server_key_of_origin(const weir_origin_key *origin)
{
    return (weir_server_key){origin->https != 0, origin->port, origin->host, origin->zone};
}

weir_series *weir_series_started(weir_series_account *account, const weir_server_key *server,
                                 weir_span method)
{
    const weir_series_key key = {
        .kind = WEIR_SERIES_ASKED,
        .method = number_of(account, method),
    };
    weir_series *series = series_of(account, server_of(account, server, WEIR_SERIES_ASKED), key);

    series->numbers.asked.started++;
    series->numbers.asked.active++;
    return series;
}

void weir_series_queued(weir_series_account *account, const weir_series *asked,
                        weir_protocol protocol, weir_time waited_ns)
{
    const weir_series_key key = {
        .kind = WEIR_SERIES_QUEUED,
        .protocol = (uint8_t)protocol,
        .method = asked->key.method,
    };

    weir_count_duration(&series_of(account, asked->server, key)->numbers.queued,
                        weir_family_requests_ns, waited_ns);
}

void weir_series_ended(weir_series_account *account, weir_series *asked,
                       const weir_metrics_request *request)
{
    const weir_octets plain = weir_tally_plain(&request->tally);
    const weir_series_key key = {
        .kind = WEIR_SERIES_ENDED,
        .protocol = (uint8_t)request->protocol,
        .method = asked->key.method,
        .code = (uint16_t)request->code,
        .status = (int16_t)request->status,
    };
    weir_series_numbers *numbers = &series_of(account, asked->server, key)->numbers;

    WEIR_ASSERT(asked->numbers.asked.active > 0);
    asked->numbers.asked.active--;
    numbers->ended.resent += request->attempts > 1 ? request->attempts - 1 : 0;
    weir_count_duration(&numbers->ended.duration, weir_family_requests_ns, request->duration_ns);
    weir_count_octets(&numbers->ended.request_body, request->tally.body.sent);
    weir_count_octets(&numbers->ended.response_body, request->tally.body.received);
    weir_count_octets(&numbers->ended.request, plain.sent);
    weir_count_octets(&numbers->ended.response, plain.received);
}

void weir_series_opened(weir_series_account *account, const weir_server_key *server,
                        weir_protocol protocol)
{
    const weir_series_key key = {
        .kind = WEIR_SERIES_CONNECTIONS,
        .protocol = (uint8_t)protocol,
    };

    series_of(account, server_of(account, server, WEIR_SERIES_CONNECTIONS), key)
        ->numbers.connections.opened++;
}

void weir_series_closed(weir_series_account *account, const weir_server_key *server,
                        weir_protocol protocol, weir_time lasted_ns)
{
    weir_series *series = weir_series_of_connection(account, server, protocol);

    WEIR_ASSERT(open_of(series) > 0);
    weir_count_duration(&series->numbers.connections.duration, weir_family_connections_ns,
                        lasted_ns);
}

weir_series *weir_series_of_connection(weir_series_account *account, const weir_server_key *server,
                                       weir_protocol protocol)
{
    const weir_series_key key = {
        .kind = WEIR_SERIES_CONNECTIONS,
        .protocol = (uint8_t)protocol,
    };
    const weir_server *found = find_server(account, server, hash_of_server(account, server));
    weir_series *series = NULL;

    if (found != NULL) {
        series = find_series(account, found, key, hash_of_series(account, found, key));
    }
    return series != NULL ? series : &account->rest[WEIR_SERIES_CONNECTIONS];
}

void weir_series_account_check(const weir_series_account *account)
{
    size_t servers = 0;
    size_t octets = 0;
    size_t all = 0;

    for (const weir_server *at = account->servers; at != NULL; at = at->next) {
        WEIR_ASSERT(at->number == servers);
        octets += at->host_length;
        servers++;
    }
    WEIR_ASSERT(servers == account->server_count);
    WEIR_ASSERT(octets == account->host_octets);
    for (size_t kind = 0; kind < WEIR_SERIES_KINDS; kind++) {
        size_t count = 0;
        for (const weir_series *at = account->series[kind]; at != NULL; at = at->next) {
            WEIR_ASSERT(at->server != NULL);
            WEIR_ASSERT(at->key.kind == kind);
            WEIR_ASSERT(find_series(account, at->server, at->key, at->entry.hash) == at);
            count++;
        }
        WEIR_ASSERT(count == account->count[kind]);
        WEIR_ASSERT(count <= account->limit);
        all += count;
    }
    WEIR_ASSERT(all == account->by_key.entries);
    weir_table_check(&account->by_server);
    weir_table_check(&account->by_key);
}

/* options->methods are so many octets, which need not end with a NUL. */
static weir_series_account *new_account(const weir_series_options *options, size_t octets)
{
    const weir_allocator *allocator = options->allocator;
    weir_series_account *account = weir_alloc_zeroed(allocator, sizeof(*account));

    if (account == NULL) {
        return NULL;
    }
    account->allocator = allocator;
    account->seed = options->seed;
    account->hash_bits = UINT64_MAX;
    account->limit = options->limit;
    account->method_octets = octets + 1;
    account->method_text = weir_alloc_zeroed(allocator, account->method_octets);
    account->methods = weir_alloc(allocator, (octets / 2 + 1) * sizeof(*account->methods));
    const bool has_methods = account->method_text != NULL && account->methods != NULL;
    if (!has_methods || weir_table_init(&account->by_server, allocator) != WEIR_OK) {
        weir_release(allocator, account->methods);
        weir_release(allocator, account->method_text);
        weir_release(allocator, account);
        return NULL;
    }
    for (size_t kind = 0; kind < WEIR_SERIES_KINDS; kind++) {
        account->rest[kind].key.kind = (uint8_t)kind;
    }
    memcpy(account->method_text, options->methods, octets);
    read_methods(account);
    weir_series_account_forget(account);
    if (weir_table_init(&account->by_key, allocator) != WEIR_OK) {
        weir_series_account_free(account);
        return NULL;
    }
    return account;
}

/* What separates them becomes a NUL, so that reading them once more finds the same. */
static void read_methods(weir_series_account *account)
{
    char *text = account->method_text;
    size_t first = 0;

    for (size_t i = 0; i < account->method_octets; i++) {
        if (text[i] == ',' || text[i] == ' ' || text[i] == '\t' || text[i] == '\0') {
            text[i] = '\0';
            if (i > first && account->method_count < UINT16_MAX) {
                account->methods[account->method_count++] =
                    (weir_span){(const uint8_t *)text + first, i - first};
            }
            first = i + 1;
        }
    }
}

static uint16_t number_of(const weir_series_account *account, weir_span method)
{
    size_t i = 0;

    while (i < account->method_count &&
           (account->methods[i].length != method.length ||
            memcmp(account->methods[i].at, method.at, method.length) != 0)) {
        i++;
    }
    return (uint16_t)i;
}

static uint64_t hash_of_server(const weir_series_account *account, const weir_server_key *key)
{
    weir_sip sip = weir_sip_seeded(account->seed);

    weir_sip_word(&sip, (uint64_t)key->port << 1 | key->https);
    weir_sip_span(&sip, key->host);
    if (key->zone.length > 0) {
        weir_sip_span(&sip, key->zone);
    }
    return weir_sip_end(sip) & account->hash_bits;
}

static bool is_server(const weir_server *server, const weir_server_key *key)
{
    const size_t zone = key->zone.length > 0 ? 1 + key->zone.length : 0;

    return server->port == key->port && server->https == key->https &&
           server->host_length == key->host.length + zone &&
           memcmp(server->host, key->host.at, key->host.length) == 0 &&
           (zone == 0 ||
            (server->host[key->host.length] == '%' &&
             memcmp(server->host + key->host.length + 1, key->zone.at, key->zone.length) == 0));
}

static weir_server *find_server(const weir_series_account *account, const weir_server_key *key,
                                uint64_t hash)
{
    weir_table_entry *at = weir_table_find(&account->by_server, hash, NULL);

    while (at != NULL &&
           (at->hash != hash || !is_server(WEIR_CONTAINER_OF(at, weir_server, entry), key))) {
        at = weir_table_find(&account->by_server, hash, at);
    }
    return at != NULL ? WEIR_CONTAINER_OF(at, weir_server, entry) : NULL;
}

/*
 * The server, for a series of this kind. NULL: there is none yet, and no room or no memory. Where
 * there was memory for the server and then none for its series, there are servers without one;
 * these are bounded too.
 */
static weir_server *server_of(weir_series_account *account, const weir_server_key *key,
                              weir_series_kind kind)
{
    const uint64_t hash = hash_of_server(account, key);
    const size_t zone = key->zone.length > 0 ? 1 + key->zone.length : 0;
    const size_t length = key->host.length + zone;

    weir_server *server = find_server(account, key, hash);
    if (server != NULL || !has_room(account, kind) ||
        account->server_count >= 2 * (uint64_t)account->limit) {
        return server;
    }
    server = weir_alloc(account->allocator, sizeof(*server) + length);
    if (server == NULL) {
        return NULL;
    }
    *server = (weir_server){
        .number = (uint32_t)account->server_count,
        .port = key->port,
        .https = key->https,
        .host_length = length,
    };
    memcpy(server->host, key->host.at, key->host.length);
    if (zone > 0) {
        server->host[key->host.length] = '%';
        memcpy(server->host + key->host.length + 1, key->zone.at, key->zone.length);
    }
    weir_table_enter(&account->by_server, &server->entry, hash);
    *account->servers_end = server;
    account->servers_end = &server->next;
    account->server_count++;
    account->host_octets += length;
    return server;
}

static uint64_t word_of(weir_series_key key)
{
    uint64_t word = 0;

    memcpy(&word, &key, sizeof(word));
    return word;
}

static uint64_t hash_of_series(const weir_series_account *account, const weir_server *server,
                               weir_series_key key)
{
    weir_sip sip = weir_sip_seeded(account->seed);

    weir_sip_word(&sip, server->number);
    weir_sip_word(&sip, word_of(key));
    return weir_sip_end(sip) & account->hash_bits;
}

static weir_series *find_series(const weir_series_account *account, const weir_server *server,
                                weir_series_key key, uint64_t hash)
{
    weir_table_entry *at = weir_table_find(&account->by_key, hash, NULL);

    while (at != NULL) {
        weir_series *series = WEIR_CONTAINER_OF(at, weir_series, entry);
        if (series->server == server && word_of(series->key) == word_of(key)) {
            return series;
        }
        at = weir_table_find(&account->by_key, hash, at);
    }
    return NULL;
}

/* The one with these attributes, or the rest of its kind. */
static weir_series *series_of(weir_series_account *account, const weir_server *server,
                              weir_series_key key)
{
    const weir_series_kind kind = (weir_series_kind)key.kind;

    if (server == NULL) {
        return &account->rest[kind];
    }
    const uint64_t hash = hash_of_series(account, server, key);
    weir_series *series = find_series(account, server, key, hash);
    if (series != NULL) {
        return series;
    }
    if (has_room(account, kind)) {
        series = weir_alloc_zeroed(account->allocator, sizeof(*series));
    }
    if (series == NULL) {
        return &account->rest[kind];
    }
    series->server = server;
    series->key = key;
    weir_table_enter(&account->by_key, &series->entry, hash);
    *account->series_end[kind] = series;
    account->series_end[kind] = &series->next;
    account->count[kind]++;
    return series;
}

static bool has_room(const weir_series_account *account, weir_series_kind kind)
{
    /* One of the rest that is open may be of these attributes: it must be found there again. */
    const bool may_be_in_rest =
        kind == WEIR_SERIES_CONNECTIONS && open_of(&account->rest[kind]) > 0;

    return account->count[kind] < account->limit && !may_be_in_rest;
}

static uint64_t open_of(const weir_series *series)
{
    return series->numbers.connections.opened - series->numbers.connections.duration.count;
}
