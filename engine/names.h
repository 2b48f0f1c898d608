/* SPDX-License-Identifier: MIT */
/*
 * The names that a client's or loop's connections came from. While a name has connections it is
 * resolved anew whenever its answer has run out, and a connection whose address the new answer does
 * not hold any more retires, at a random moment of a span, so that a fleet does not reconnect at
 * once.
 *
 *   join -> FRESH -answer ran out-> LOOKING -both families answered-> FRESH -last leaves-> gone
 *             \-somebody else learned: applied, no look-up-^
 *
 * A look-up that fails retires nothing and is tried again after a pause. The driver does the
 * look-ups: weir_names_next() says for which name, weir_names_answer() takes what came.
 *
 * Not tied are connections of numeric hosts, of localhost and of `connect_to`: they came from no
 * answer. Of the latter two the address is kept all the same, by a tie without a name.
 *
 * Ownership: names and ties belong to this; a link points to its tie from join to leave. Thread
 * rule: the core's lock. The version of an answer is compared without any (weir_names_are_behind).
 */
#ifndef WEIR_ENGINE_NAMES_H
#define WEIR_ENGINE_NAMES_H

#include "engine/address.h"
#include "engine/link.h"
#include "engine/shared.h"
#include "pool/agenda.h"

/* After a look-up that failed, or while somebody else asks for the same name. */
#define WEIR_NAMES_RETRY_NS (5 * WEIR_NS_PER_SECOND)
#define WEIR_NAMES_BUCKETS  64

typedef struct weir_name {
    weir_list bucket;
    weir_list ties;    /* of the connections that came from it */
    weir_list looking; /* in names->looking while it is looked up */
    weir_agenda_entry due;
    weir_answers *answers;
    uint64_t version;           /* of the answers that were held against the links last */
    size_t in_family[2];        /* links with an address of IPv4, IPv6 that has not left */
    bool awaiting[2];           /* LOOKING: an answer is outstanding */
    struct weir_lookup *lookup; /* the driver's */
    size_t host_length;
    uint8_t host[];
} weir_name;

/* What ties a connection to its name: a record of its own, since many have none. */
typedef struct weir_tie {
    weir_list place; /* in name->ties */
    weir_name *name; /* NULL: none, it only says to which address it is connected */
    weir_link *link;
    /* the address that it is connected to, without what only an answer has of it */
    uint32_t scope;
    uint8_t octets[WEIR_IPV6_OCTETS];
    uint8_t family;
    bool left; /* the name has it no longer */
} weir_tie;

weir_address weir_tie_address(const weir_tie *tie);

typedef struct weir_names {
    const weir_allocator *allocator;
    weir_shared *shared; /* kept */
    weir_pool *pool;     /* kept */
    weir_time leave_ns;  /* retire within so long; WEIR_NEVER: not at all, and nothing is asked */
    uint64_t seed;       /* of the hash */
    weir_agenda agenda;
    weir_list looking;
    weir_list buckets[WEIR_NAMES_BUCKETS];
} weir_names;

typedef struct weir_names_options {
    const weir_allocator *allocator;
    weir_shared *shared;
    weir_pool *pool;
    weir_time leave_ns;
    uint64_t seed;
} weir_names_options;

void weir_names_init(weir_names *names, const weir_names_options *options);
/* Look-ups that are under way are forgotten: the driver ends them. No link may be left. */
void weir_names_clear(weir_names *names);
/* In the child of a fork: the same, whoever is left, and the answers are let go by what is shared.
 */
void weir_names_forget(weir_names *names);
/* ... another thread of the parent was in the middle of them: they are left as they are. */
void weir_names_abandon(weir_names *names);

/* A dial that asked for `host` (or knew what it remembered) is READY in the pool. Without memory
 * for it the connection stays as long as others would. */
void weir_names_join(weir_names *names, weir_link *link, weir_span host,
                     const weir_address *address, weir_time now_ns);
/* READY, and came from no answer that would be asked for again. Without memory the address is not
 * known. */
void weir_names_note(weir_names *names, weir_link *link, const weir_address *address);
/* For how long the answer that the link came from counts; 0: it has run out, WEIR_NEVER: from none.
 */
weir_time weir_names_answer_left(const weir_names *names, const weir_link *link, weir_time now_ns);
/* The connection is closed. One that did not join may leave. */
void weir_names_leave(weir_names *names, weir_link *link);

/* Was anything learned of the link's name that its connections were not held against? */
bool weir_names_are_behind(const weir_link *link);
/* Then this holds them against it. */
void weir_names_catch_up(weir_names *names, const weir_link *link, weir_time now_ns);

/* The next name to be looked up now, which is LOOKING then; NULL: none. */
weir_name *weir_names_next(weir_names *names, weir_time now_ns);
weir_time weir_names_deadline(const weir_names *names);
/* As of a dial, once for each family. True: the look-up is over, the driver ends it, and the name
 * may be gone. */
bool weir_names_answer(weir_names *names, weir_name *name, const weir_answer *answer,
                       weir_time now_ns);
/* Whose look-up it is; NULL: nobody's. */
weir_name *weir_names_of(const weir_names *names, const struct weir_lookup *lookup);

#endif
