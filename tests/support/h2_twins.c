/* SPDX-License-Identifier: MIT */
/* Fails with a line on stderr and abort(), so that the fuzzer can use it as well as a suite. */
#include "support/h2_twins.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/h2_hpack.h"
#include "proto/h2_literal.h"
#include "support/failalloc.h"
#include "support/text.h"

#define MOST_FIELDS 40
#define LONG_OCTETS 3500
#define ROOM        200000

/* RFC 7541 s4.1, appendix A. */
#define ENTRY_OCTETS   32
#define STATIC_ENTRIES 61
#define LARGEST_TABLE  10000

typedef struct twins {
    weir_span rest; /* of the program */
    weir_h2_twins_seen *seen;
    weir_failalloc memory;
    weir_h2_hpack *always; /* never put away */
    weir_h2_hpack *twin;
    weir_h2_hpack *peer; /* decodes what they encode */
    /* What the decoders' table holds, so that most of the indexes exist. */
    uint32_t entries[LARGEST_TABLE / ENTRY_OCTETS]; /* their sizes, the oldest first */
    size_t count;
    uint32_t table_octets;
    uint32_t table_size;
    uint32_t decoder_limit;
    bool update_due;
    bool refused; /* there is nothing to decode with any more */
} twins;

static void step(twins *t);
static void stow(twins *t);
static void encode(twins *t);
static size_t some_fields(twins *t, weir_field *fields);
static void understand(twins *t, weir_span block, const weir_field *fields, size_t count);
static void decode(twins *t);
static void put_representations(twins *t, weir_text *block);
static void put_size(twins *t, weir_text *block);
static void put_representation(twins *t, weir_text *block);
static void resize(twins *t, uint32_t size);
static void insert(twins *t, uint32_t octets);
static void evict(twins *t, uint32_t most);
static void put(weir_text *block, uint8_t octet);
static weir_status decode_all(weir_h2_hpack *hpack, weir_span block, size_t piece,
                              weir_text *fields);
static weir_span some_name(twins *t);
static weir_span some_value(twins *t);
static uint8_t take(twins *t);
static void must(bool fact, const char *what);

/* Some stand in the static table, with a value or without; some are treated as special by nghttp2's
 * encoder. */
static const char *const names[] = {
    ":method",
    ":path",
    ":authority",
    ":status",
    "accept-encoding",
    "content-length",
    "authorization",
    "cookie",
    "set-cookie",
    "etag",
    "x",
    "x-a",
    "x-b",
    "te",
    "date",
    "",
    "x-c-longer-name",
    "user-agent",
};

static const char *const values[] = {
    "GET",
    "/",
    "gzip, deflate",
    "200",
    "",
    "a",
    "b",
    "c",
    "a cookie of twenty octets or more",
    "d",
    "e1",
    "e2",
    "e3",
    "0123456789012345678901234567890123456789",
};

static const uint32_t sizes[] = {0,    32,   40,   64,   100,  256,
                                 1000, 2048, 4000, 4095, 4096, LARGEST_TABLE};

void weir_h2_twins_run(weir_span program, weir_h2_twins_seen *seen)
{
    twins t = {.rest = program,
               .seen = seen,
               .table_size = WEIR_H2_TABLE_OCTETS,
               .decoder_limit = WEIR_H2_TABLE_OCTETS};
    weir_failalloc_init(&t.memory, 0);
    t.always = weir_h2_hpack_new(&t.memory.allocator);
    t.twin = weir_h2_hpack_new(&t.memory.allocator);
    t.peer = weir_h2_hpack_new(&t.memory.allocator);
    must(t.always && t.twin && t.peer, "memory");
    while (t.rest.length > 0) {
        step(&t);
    }
    weir_h2_hpack_free(t.always);
    weir_h2_hpack_free(t.twin);
    weir_h2_hpack_free(t.peer);
    must(atomic_load(&t.memory.live) == 0, "nothing leaks");
}

static void step(twins *t)
{
    const uint8_t choice = take(t);
    uint32_t size;

    switch (choice % 16) {
    case 0:
    case 1:
    case 2:
    case 3:
        stow(t);
        break;
    case 4:
        size = sizes[choice / 16 % WEIR_COUNT_OF(sizes)];
        must(weir_h2_hpack_limit_encoder(t->always, size), "limit");
        must(weir_h2_hpack_limit_encoder(t->twin, size), "limit of the twin");
        break;
    case 5:
        size = sizes[take(t) % WEIR_COUNT_OF(sizes)];
        if (choice < 64 && !t->refused) {
            must(weir_h2_hpack_limit_decoder(t->always, size), "limit");
            must(weir_h2_hpack_limit_decoder(t->twin, size), "limit of the twin");
            t->update_due = t->update_due || size < t->table_size;
            t->decoder_limit = size;
            resize(t, (uint32_t)weir_min(size, t->table_size));
        }
        break;
    case 6:
    case 7:
    case 8:
    case 9:
    case 10:
        encode(t);
        break;
    default:
        if (!t->refused) {
            decode(t);
        }
        break;
    }
}

static void stow(twins *t)
{
    const size_t before = atomic_load(&t->memory.live_octets);
    const bool had_encoder = weir_h2_hpack_has_encoder(t->twin);
    const bool had_decoder = weir_h2_hpack_has_decoder(t->twin);

    weir_h2_hpack_stow(t->twin);
    must(!weir_h2_hpack_has_encoder(t->twin), "an encoder can be put away between any two blocks");
    must(weir_h2_hpack_stowed_encoder(t->twin).length <= WEIR_H2_TABLE_OCTETS,
         "no more octets than are counted");
    must(atomic_load(&t->memory.live_octets) < before || (!had_encoder && !had_decoder) ||
             (!had_encoder && weir_h2_hpack_has_decoder(t->twin)),
         "less memory");
    t->seen->stowed_encoders += had_encoder && weir_h2_hpack_stowed_encoder(t->twin).length > 0;
    t->seen->stowed_decoders += had_decoder && !weir_h2_hpack_has_decoder(t->twin);
}

static void encode(twins *t)
{
    weir_field fields[MOST_FIELDS];
    const size_t count = some_fields(t, fields);
    const weir_h2_section_fields section = {fields, count, NULL};
    static uint8_t one[ROOM];
    static uint8_t other[ROOM];
    size_t length = 0;
    size_t other_length = 0;

    must(weir_h2_hpack_bound(&section) <= ROOM, "room");
    must(weir_h2_hpack_encode(t->always, &section, one, &length) == WEIR_OK, "encode");
    must(weir_h2_hpack_encode(t->twin, &section, other, &other_length) == WEIR_OK, "twin encodes");
    must(length == other_length && memcmp(one, other, length) == 0, "the same octets");
    understand(t, (weir_span){other, other_length}, fields, count);
    t->seen->encoded++;
}

static size_t some_fields(twins *t, weir_field *fields)
{
    const uint8_t choice = take(t);
    const size_t most = choice < 32 ? MOST_FIELDS : choice % 12;
    size_t count = 0;

    for (; count < most && t->rest.length > 0; count++) {
        fields[count] = (weir_field){.name = some_name(t), .value = some_value(t)};
        fields[count].flags = take(t) < 16 ? (uint32_t)WEIR_FIELD_SENSITIVE : 0;
    }
    return count;
}

static void understand(twins *t, weir_span block, const weir_field *fields, size_t count)
{
    weir_text sent = {.at = NULL};
    weir_text got = {.at = NULL};

    for (size_t i = 0; i < count; i++) {
        weir_text_escape(&sent, fields[i].name);
        weir_text_append(&sent, WEIR_SPAN("="));
        weir_text_escape(&sent, fields[i].value);
        weir_text_append(&sent, WEIR_SPAN("\n"));
    }
    must(decode_all(t->peer, block, SIZE_MAX, &got) == WEIR_OK, "the peer can decode");
    /* What is marked as never indexed there is not compared: nghttp2 marks some of itself. */
    must(strcmp(weir_text_string(&sent), weir_text_string(&got)) == 0, "the peer understands");
    weir_text_clear(&sent);
    weir_text_clear(&got);
}

/* The same block to both, in the same pieces; both may refuse it. */
static void decode(twins *t)
{
    weir_text block = {.at = NULL};
    weir_text one = {.at = NULL};
    weir_text other = {.at = NULL};
    const uint8_t piece = take(t);

    put_representations(t, &block);
    const size_t step_octets = piece % 4 == 0 ? piece + 1u : SIZE_MAX;
    const weir_status status = decode_all(t->always, weir_text_span(&block), step_octets, &one);
    must(decode_all(t->twin, weir_text_span(&block), step_octets, &other) == status,
         "the same status");
    must(strcmp(weir_text_string(&one), weir_text_string(&other)) == 0, "the same fields");
    t->refused = status != WEIR_OK;
    t->seen->refused += t->refused;
    t->seen->decoded++;
    weir_text_clear(&block);
    weir_text_clear(&one);
    weir_text_clear(&other);
}

static void put_representations(twins *t, weir_text *block)
{
    const uint8_t choice = take(t);

    if (choice >= 128 || (t->update_due && choice > 1)) {
        for (unsigned left = choice % 3; left < 3; left++) {
            put_size(t, block);
        }
        t->update_due = false;
    }
    for (unsigned left = choice % 48; left > 0 && t->rest.length > 0; left--) {
        put_representation(t, block);
    }
}

/* Seldom a larger one than is allowed. */
static void put_size(twins *t, weir_text *block)
{
    uint8_t octets[WEIR_H2_TABLE_SIZE_OCTETS];
    const uint8_t choice = take(t);
    uint32_t size = sizes[choice % WEIR_COUNT_OF(sizes)];

    if (size > t->decoder_limit && choice != 11) {
        size = t->decoder_limit - (t->decoder_limit > 0 ? choice / 128 : 0);
    }
    const uint8_t *end = weir_h2_table_size_put(octets, size);
    weir_text_append(block, (weir_span){octets, (size_t)(end - octets)});
    resize(t, size);
}

static void put_representation(twins *t, weir_text *block)
{
    uint8_t octets[LONG_OCTETS + 64];
    const uint8_t *end = octets;
    const uint8_t which = take(t);
    const weir_span name = some_name(t);
    weir_span value = some_value(t);
    const size_t indexes = STATIC_ENTRIES + t->count;

    switch (which % 8) {
    case 0:
        /* An entry of the dynamic table, if it has one that can be said in an octet. */
        put(block, (uint8_t)(0x80 | weir_min(126, weir_min(62 + which / 8, indexes))));
        break;
    case 1:
        /* The name is an entry's, of the static table. */
        value = weir_span_head(value, 126);
        put(block, 0x40 | 2); /* :method */
        put(block, (uint8_t)value.length);
        weir_text_append(block, value);
        insert(t, (uint32_t)(ENTRY_OCTETS + strlen(":method") + value.length));
        break;
    case 2:
        end = weir_h2_literal_put(octets, name, value);
        octets[0] = which < 128 ? 0x10 : 0x00; /* never indexed; without indexing */
        break;
    case 3:
        if (which == 251 && take(t) < 32) {
            put(block, take(t)); /* whatever that is */
        }
        break;
    default:
        end = weir_h2_literal_put(octets, name, value);
        insert(t, (uint32_t)(ENTRY_OCTETS + name.length + value.length));
        break;
    }
    weir_text_append(block, (weir_span){octets, (size_t)(end - octets)});
}

/* RFC 7541 s4.3, s4.4. */
static void resize(twins *t, uint32_t size)
{
    t->table_size = size;
    evict(t, size);
}

static void insert(twins *t, uint32_t octets)
{
    evict(t, octets > t->table_size ? 0 : t->table_size - octets);
    if (octets <= t->table_size) {
        t->entries[t->count++] = octets;
        t->table_octets += octets;
    }
}

static void evict(twins *t, uint32_t most)
{
    while (t->table_octets > most) {
        t->table_octets -= t->entries[0];
        t->count--;
        memmove(t->entries, t->entries + 1, t->count * sizeof(t->entries[0]));
    }
}

static void put(weir_text *block, uint8_t octet)
{
    weir_text_append(block, (weir_span){&octet, 1});
}

static weir_status decode_all(weir_h2_hpack *hpack, weir_span block, size_t piece,
                              weir_text *fields)
{
    bool last = false;

    while (!last) {
        weir_span octets = weir_span_head(block, piece);
        bool found = true;
        block = weir_span_from(block, octets.length);
        last = block.length == 0;
        while (found) {
            weir_field field;
            const weir_status status = weir_h2_hpack_decode(hpack, &octets, last, &field, &found);
            if (status != WEIR_OK) {
                return status;
            }
            if (found) {
                weir_text_escape(fields, field.name);
                weir_text_append(fields, WEIR_SPAN("="));
                weir_text_escape(fields, field.value);
                weir_text_append(fields, WEIR_SPAN("\n"));
            }
        }
    }
    return WEIR_OK;
}

static weir_span some_name(twins *t)
{
    return weir_span_of(names[take(t) % WEIR_COUNT_OF(names)]);
}

static weir_span some_value(twins *t)
{
    static const uint8_t letters[LONG_OCTETS] = {0};
    const uint8_t choice = take(t);

    if (choice >= 248) {
        return (weir_span){letters, take(t) * (size_t)LONG_OCTETS / 256};
    }
    return weir_span_of(values[choice % WEIR_COUNT_OF(values)]);
}

static uint8_t take(twins *t)
{
    if (t->rest.length == 0) {
        return 0;
    }
    const uint8_t octet = t->rest.at[0];
    t->rest = weir_span_from(t->rest, 1);
    return octet;
}

static void must(bool fact, const char *what)
{
    if (!fact) {
        fprintf(stderr, "the twins differ: %s\n", what);
        abort();
    }
}
