/* SPDX-License-Identifier: MIT */
/* Submitting, reading and judging: see embed.h. */
#include "embed.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define AT_ONCE 10

/* One exchange; it is found again as the event's user pointer. */
typedef struct task {
    uint64_t length;
    uint64_t octets;
    bool is_pattern;
} task;

static void read_all(task *t, weir_exchange *exchange);
static size_t glue_lines(const char *file);

void weir_embed_open(weir_embed *embed, weir_world *world)
{
    *embed = (weir_embed){.world = world, .loop = weir_user_loop(weir_world_user(world))};
}

void weir_embed_tick(weir_embed *embed)
{
    embed->ticks++;
    for (size_t i = 0; i < AT_ONCE && embed->submitted < WEIR_EMBED_EXCHANGES; i++) {
        char path[64];
        weir_exchange *exchange = NULL;
        task *t = calloc(1, sizeof(*t));
        assert_non_null(t);
        t->length = embed->submitted * 997;
        t->is_pattern = true;
        (void)snprintf(path, sizeof(path), "/octets/%" PRIu64, t->length);
        const weir_ask ask = weir_world_ask(embed->world, path);
        assert_int_equal(weir_loop_submit(embed->loop, &ask.request, &ask.call, t, &exchange),
                         WEIR_OK);
        embed->world->begun++;
        embed->submitted++;
    }
}

void weir_embed_told(weir_embed *embed, const weir_loop_event *event)
{
    task *t = event->user;

    if (event->told == WEIR_TOLD_READABLE || event->told == WEIR_TOLD_DONE) {
        read_all(t, event->exchange);
    }
    if (event->told == WEIR_TOLD_DONE) {
        embed->done++;
        embed->whole += event->status == WEIR_OK && weir_exchange_code(event->exchange) == 200 &&
                                t->octets == t->length && t->is_pattern
                            ? 1
                            : 0;
        weir_exchange_free(event->exchange);
        free(t);
    }
}

bool weir_embed_is_over(const weir_embed *embed)
{
    return embed->done == WEIR_EMBED_EXCHANGES;
}

void weir_embed_close(weir_embed *embed, const char *file)
{
    const size_t lines = glue_lines(file);

    assert_int_equal(embed->whole, WEIR_EMBED_EXCHANGES);
    assert_true(embed->ticks >= WEIR_EMBED_EXCHANGES / AT_ONCE);
    assert_true(lines > 0);
    assert_true(lines < WEIR_EMBED_GLUE_LINES);
    print_message("# %zu exchanges, %zu ticks of the other timer, %zu lines of glue\n",
                  embed->whole, embed->ticks, lines);
}

static void read_all(task *t, weir_exchange *exchange)
{
    uint8_t room[4096];
    size_t octets = 0;

    while (weir_read(exchange, room, sizeof(room), &octets) == WEIR_OK) {
        for (size_t i = 0; i < octets; i++) {
            t->is_pattern = t->is_pattern && room[i] == weir_pattern_at(t->octets + i);
        }
        t->octets += octets;
    }
}

/* The lines between the markers, without those that hold a brace alone, a comment or nothing. */
static size_t glue_lines(const char *file)
{
    char line[256];
    bool inside = false;
    size_t count = 0;
    FILE *source = fopen(file, "r");

    assert_non_null(source);
    while (fgets(line, sizeof(line), source) != NULL) {
        const char *text = line + strspn(line, " ");
        if (strncmp(text, "/* glue ", 8) == 0) {
            inside = strncmp(text, "/* glue begins", 14) == 0;
        } else if (inside && strspn(text, "{};\n") != strlen(text) && strncmp(text, "/*", 2) != 0) {
            count++;
        }
    }
    (void)fclose(source);
    return count;
}
