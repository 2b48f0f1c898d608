/* SPDX-License-Identifier: MIT */
/* The names that connections came from: see names.h. */
#include "engine/names.h"

#include <string.h>

#include "engine/address.h"
#include "proto/alloc.h"
#include "proto/sip.h"

static weir_name *get(weir_names *names, weir_span host);
static weir_list *bucket_of(weir_names *names, weir_span host);
static weir_name *new_name(weir_names *names, weir_span host);
static void settle(weir_names *names, weir_name *name);
static void apply(weir_names *names, weir_name *name, weir_time now_ns);
static void connect_to(weir_tie *tie, const weir_address *address);
static void judge(weir_names *names, weir_tie *tie, weir_time now_ns);
static void arm(weir_names *names, weir_name *name, weir_time now_ns);
static bool is_looking(const weir_name *name);

void weir_names_init(weir_names *names, const weir_names_options *options)
{
    memset(names, 0, sizeof(*names));
    names->allocator = options->allocator;
    names->shared = options->shared;
    names->pool = options->pool;
    names->leave_ns = options->leave_ns;
    names->seed = options->seed;
    weir_names_abandon(names);
}

void weir_names_clear(weir_names *names)
{
    if (names->allocator == NULL) {
        return;
    }
    while (!weir_list_is_empty(&names->looking)) {
        weir_name *name = WEIR_CONTAINER_OF(names->looking.next, weir_name, looking);
        weir_shared_unclaim(names->shared, name->answers);
        weir_list_remove(&name->looking);
        settle(names, name);
    }
    for (size_t i = 0; i < WEIR_NAMES_BUCKETS; i++) {
        WEIR_ASSERT(weir_list_is_empty(&names->buckets[i]));
    }
}

void weir_names_forget(weir_names *names)
{
    for (size_t i = 0; i < WEIR_NAMES_BUCKETS; i++) {
        while (!weir_list_is_empty(&names->buckets[i])) {
            weir_name *name = WEIR_CONTAINER_OF(names->buckets[i].next, weir_name, bucket);
            while (!weir_list_is_empty(&name->ties)) {
                weir_tie *tie = WEIR_CONTAINER_OF(name->ties.next, weir_tie, place);
                tie->link->tie = NULL;
                weir_list_remove(&tie->place);
                weir_release(names->allocator, tie);
            }
            weir_list_remove(&name->bucket);
            weir_release(names->allocator, name);
        }
    }
    weir_names_abandon(names);
}

void weir_names_abandon(weir_names *names)
{
    names->agenda = (weir_agenda){.first = NULL};
    weir_list_init(&names->looking);
    for (size_t i = 0; i < WEIR_NAMES_BUCKETS; i++) {
        weir_list_init(&names->buckets[i]);
    }
}

void weir_names_join(weir_names *names, weir_link *link, weir_span host,
                     const weir_address *address, weir_time now_ns)
{
    WEIR_ASSERT(link->tie == NULL);
    if (names->leave_ns == WEIR_NEVER) {
        weir_names_note(names, link, address);
        return;
    }
    weir_tie *tie = weir_alloc_zeroed(names->allocator, sizeof(*tie));
    weir_name *name = tie != NULL ? get(names, host) : NULL;
    if (name == NULL) {
        weir_release(names->allocator, tie);
        return;
    }
    tie->name = name;
    tie->link = link;
    connect_to(tie, address);
    link->tie = tie;
    weir_list_init(&tie->place);
    weir_list_push_back(&name->ties, &tie->place);
    name->in_family[weir_family_index(address->family)]++;
    if (weir_names_are_behind(link)) {
        apply(names, name, now_ns);
    } else {
        judge(names, tie, now_ns); /* somebody may have learned better since it was dialled */
        arm(names, name, now_ns);
    }
}

void weir_names_note(weir_names *names, weir_link *link, const weir_address *address)
{
    WEIR_ASSERT(link->tie == NULL);
    link->tie = weir_alloc_zeroed(names->allocator, sizeof(*link->tie));
    if (link->tie != NULL) {
        weir_list_init(&link->tie->place);
        link->tie->link = link;
        connect_to(link->tie, address);
    }
}

weir_address weir_tie_address(const weir_tie *tie)
{
    weir_address address = {.family = tie->family, .scope = tie->scope};

    memcpy(address.octets, tie->octets, sizeof(address.octets));
    return address;
}

weir_time weir_names_answer_left(const weir_names *names, const weir_link *link, weir_time now_ns)
{
    const weir_tie *tie = link->tie;

    if (tie == NULL || tie->name == NULL) {
        return WEIR_NEVER;
    }
    return weir_time_since(weir_shared_until(names->shared, tie->name->answers, tie->family),
                           now_ns);
}

void weir_names_leave(weir_names *names, weir_link *link)
{
    weir_tie *tie = link->tie;

    if (tie == NULL) {
        return;
    }
    weir_name *name = tie->name;
    weir_list_remove(&tie->place);
    link->tie = NULL;
    if (name != NULL && !tie->left) {
        name->in_family[weir_family_index(tie->family)]--;
    }
    weir_release(names->allocator, tie);
    if (name != NULL) {
        settle(names, name);
    }
}

bool weir_names_are_behind(const weir_link *link)
{
    return link->tie != NULL && link->tie->name != NULL &&
           weir_answers_version(link->tie->name->answers) != link->tie->name->version;
}

void weir_names_catch_up(weir_names *names, const weir_link *link, weir_time now_ns)
{
    if (weir_names_are_behind(link)) {
        apply(names, link->tie->name, now_ns);
    }
}

weir_name *weir_names_next(weir_names *names, weir_time now_ns)
{
    while (weir_names_deadline(names) <= now_ns) {
        weir_name *name = WEIR_CONTAINER_OF(names->agenda.first, weir_name, due);
        if (weir_answers_version(name->answers) != name->version) {
            apply(names, name, now_ns);
        } else if (!weir_shared_claim(names->shared, name->answers, now_ns)) {
            weir_agenda_leave(&names->agenda, &name->due);
            weir_agenda_enter(&names->agenda, &name->due,
                              weir_time_add(now_ns, WEIR_NAMES_RETRY_NS), WEIR_WHY_DNS);
        } else {
            weir_agenda_leave(&names->agenda, &name->due);
            weir_list_push_back(&names->looking, &name->looking);
            name->awaiting[0] = true;
            name->awaiting[1] = true;
            return name;
        }
    }
    return NULL;
}

weir_time weir_names_deadline(const weir_names *names)
{
    return names->agenda.first != NULL ? names->agenda.first->at_ns : WEIR_NEVER;
}

bool weir_names_answer(weir_names *names, weir_name *name, const weir_answer *answer,
                       weir_time now_ns)
{
    const weir_span host = {name->host, name->host_length};

    WEIR_ASSERT(is_looking(name));
    name->awaiting[weir_family_index(answer->family)] = false;
    weir_shared_remember(names->shared, host, answer, now_ns);
    if (weir_answers_version(name->answers) != name->version) {
        apply(names, name, now_ns);
    }
    if (name->awaiting[0] || name->awaiting[1]) {
        return false;
    }
    weir_shared_unclaim(names->shared, name->answers);
    weir_list_remove(&name->looking);
    name->lookup = NULL;
    arm(names, name, now_ns);
    settle(names, name);
    return true;
}

weir_name *weir_names_of(const weir_names *names, const struct weir_lookup *lookup)
{
    for (weir_list *at = names->looking.next; at != &names->looking; at = at->next) {
        weir_name *name = WEIR_CONTAINER_OF(at, weir_name, looking);
        if (name->lookup == lookup) {
            return name;
        }
    }
    return NULL;
}

static weir_name *get(weir_names *names, weir_span host)
{
    weir_list *bucket = bucket_of(names, host);

    for (weir_list *at = bucket->next; at != bucket; at = at->next) {
        weir_name *name = WEIR_CONTAINER_OF(at, weir_name, bucket);
        if (name->host_length == host.length && memcmp(name->host, host.at, host.length) == 0) {
            return name;
        }
    }
    return new_name(names, host);
}

static weir_list *bucket_of(weir_names *names, weir_span host)
{
    return &names->buckets[weir_sip_hash(host, names->seed) % WEIR_NAMES_BUCKETS];
}

static weir_name *new_name(weir_names *names, weir_span host)
{
    weir_name *name = weir_alloc_zeroed(names->allocator, sizeof(*name) + host.length);

    if (name == NULL) {
        return NULL;
    }
    name->answers = weir_shared_hold(names->shared, host);
    if (name->answers == NULL) {
        weir_release(names->allocator, name);
        return NULL;
    }
    name->version = weir_answers_version(name->answers);
    name->host_length = host.length;
    memcpy(name->host, host.at, host.length);
    weir_list_init(&name->bucket);
    weir_list_init(&name->ties);
    weir_list_init(&name->looking);
    weir_list_push_back(bucket_of(names, host), &name->bucket);
    return name;
}

/* A name without connections is not needed; while it is looked up its look-up points to it. */
static void settle(weir_names *names, weir_name *name)
{
    if (name->in_family[0] + name->in_family[1] == 0) {
        weir_agenda_leave(&names->agenda, &name->due);
    }
    if (!weir_list_is_empty(&name->ties) || is_looking(name)) {
        return;
    }
    weir_shared_let_go(names->shared, name->answers);
    weir_list_remove(&name->bucket);
    weir_release(names->allocator, name);
}

/* Holds every connection against the last answers. */
static void apply(weir_names *names, weir_name *name, weir_time now_ns)
{
    name->version = weir_answers_version(name->answers);
    for (weir_list *at = name->ties.next; at != &name->ties; at = at->next) {
        judge(names, WEIR_CONTAINER_OF(at, weir_tie, place), now_ns);
    }
    arm(names, name, now_ns);
}

static void connect_to(weir_tie *tie, const weir_address *address)
{
    tie->family = address->family;
    tie->scope = address->scope;
    memcpy(tie->octets, address->octets, sizeof(tie->octets));
}

static void judge(weir_names *names, weir_tie *tie, weir_time now_ns)
{
    weir_name *name = tie->name;

    const weir_address address = weir_tie_address(tie);

    if (tie->left || !weir_shared_has_left(names->shared, name->answers, &address)) {
        return;
    }
    tie->left = true;
    name->in_family[weir_family_index(tie->family)]--;
    weir_pool_retire(names->pool, tie->link->slot, WEIR_REASON_ADDRESS_LEFT_DNS, names->leave_ns,
                     now_ns);
}

/* When the answer of a family that connections are of has run out. */
static void arm(weir_names *names, weir_name *name, weir_time now_ns)
{
    static const uint8_t families[] = {4, 6};
    weir_time at_ns = WEIR_NEVER;

    weir_agenda_leave(&names->agenda, &name->due);
    if (is_looking(name)) {
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        if (name->in_family[i] > 0) {
            at_ns = weir_time_earlier(at_ns,
                                      weir_shared_until(names->shared, name->answers, families[i]));
        }
    }
    if (at_ns <= now_ns) {
        at_ns = weir_time_add(now_ns, WEIR_NAMES_RETRY_NS);
    }
    if (at_ns != WEIR_NEVER) {
        weir_agenda_enter(&names->agenda, &name->due, at_ns, WEIR_WHY_DNS);
    }
}

static bool is_looking(const weir_name *name)
{
    return !weir_list_is_empty(&name->looking);
}
