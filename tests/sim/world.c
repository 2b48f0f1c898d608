/* SPDX-License-Identifier: MIT */
/* Clock, events, memory, trace: see world.h. */
#include "world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_OCTETS    ((size_t)1 << 18)
#define ALIGN          _Alignof(max_align_t)
#define HASH_BEGIN     UINT64_C(0xcbf29ce484222325)
#define LINE_OCTETS    160
#define BLOCK_PATTERN  0xa5
#define BLOCK_RELEASED 0x5a

/* What lies before the octets of a block of the library's memory. */
struct sim_block {
    union {
        struct {
            weir_list place; /* in memory.blocks */
            size_t octets;
        } of;
        max_align_t align;
    } head;
};

/* A piece of the simulator's own memory; pieces are kept from run to run. */
typedef struct room {
    struct room *next;
    size_t octets;
    _Alignas(max_align_t) uint8_t at[];
} room;

sim_world *sim_current;
static room *spare_rooms;

static void *memory_alloc(size_t octets, void *user);
static void *memory_resize(void *at, size_t octets, void *user);
static void memory_release(void *at, void *user);
static bool memory_fails(sim_world *world);
static bool before(const sim_event *a, const sim_event *b);
static void print_line(const sim_line *line);

static const char *const formats[] = {
#define SIM_TRACE_X(name, format) [SIM_TRACE_##name] = format,
    SIM_TRACE_MAP(SIM_TRACE_X)
#undef SIM_TRACE_X
};

void sim_world_open(sim_world *world, uint64_t seed)
{
    memset(world, 0, sizeof(*world));
    world->seed = seed;
    world->now_ns = 1000 * WEIR_NS_PER_SECOND;
    world->hash = HASH_BEGIN;
    world->for_net = sim_dice_of(seed, 2);
    world->for_peers = sim_dice_of(seed, 3);
    world->for_calls = sim_dice_of(seed, 4);
    world->for_upkeep = sim_dice_of(seed, 14);
    world->for_rests = sim_dice_of(seed, 16);
    world->for_driver = sim_dice_of(seed, 5);
    sim_plan_draw(&world->plan, seed);
    weir_list_init(&world->memory.blocks);
    world->memory.fail_at = world->plan.fail_at;
    world->memory.fail_every = world->plan.fail_every;
    world->memory.allocator = (weir_allocator){
        .size = sizeof(weir_allocator),
        .user = world,
        .alloc = memory_alloc,
        .resize = memory_resize,
        .release = memory_release,
    };
    sim_current = world;
}

void sim_world_close(sim_world *world)
{
    while (!weir_list_is_empty(&world->memory.blocks)) {
        sim_block *block = WEIR_CONTAINER_OF(world->memory.blocks.next, sim_block, head.of.place);
        memory_release(block + 1, world);
    }
    for (room *at = (room *)(void *)world->rooms; at != NULL;) {
        room *next = at->next;
        if (at->octets == ROOM_OCTETS) {
            at->next = spare_rooms;
            spare_rooms = at;
        } else {
            free(at);
        }
        at = next;
    }
    world->rooms = NULL;
    free(world->events);
    world->events = NULL;
    sim_current = NULL;
}

void *sim_room(sim_world *world, size_t octets)
{
    room *first = (room *)(void *)world->rooms;
    const size_t rounded = (octets + ALIGN - 1) / ALIGN * ALIGN;

    if (first == NULL || first->octets - world->room_used < rounded) {
        const size_t wanted = rounded > ROOM_OCTETS ? rounded : ROOM_OCTETS;
        room *fresh = wanted == ROOM_OCTETS ? spare_rooms : NULL;
        if (fresh != NULL) {
            spare_rooms = fresh->next;
        } else {
            fresh = malloc(sizeof(*fresh) + wanted);
            if (fresh == NULL) {
                abort();
            }
        }
        fresh->octets = wanted;
        fresh->next = first;
        world->rooms = (sim_block *)(void *)fresh;
        world->room_used = 0;
        first = fresh;
    }
    void *at = first->at + world->room_used;
    world->room_used += rounded;
    return memset(at, 0, octets);
}

/* -- events: a binary heap -- */

void sim_at(sim_world *world, weir_time at_ns, sim_act *act, void *what, uint64_t number)
{
    const sim_event event = {at_ns, world->next_order++, act, what, number};

    if (world->event_count == world->event_room) {
        world->event_room = world->event_room == 0 ? 64 : world->event_room * 2;
        sim_event *grown = realloc(world->events, world->event_room * sizeof(*grown));
        if (grown == NULL) {
            abort();
        }
        world->events = grown;
    }
    size_t at = world->event_count++;
    for (; at > 0 && before(&event, &world->events[(at - 1) / 2]); at = (at - 1) / 2) {
        world->events[at] = world->events[(at - 1) / 2];
    }
    world->events[at] = event;
}

weir_time sim_next_event(const sim_world *world)
{
    return world->event_count > 0 ? world->events[0].at_ns : WEIR_NEVER;
}

void sim_world_step(sim_world *world)
{
    const sim_event event = world->events[0];
    const sim_event last = world->events[--world->event_count];
    size_t at = 0;

    for (size_t child = 1; child < world->event_count; child = 2 * at + 1) {
        if (child + 1 < world->event_count &&
            before(&world->events[child + 1], &world->events[child])) {
            child++;
        }
        if (!before(&world->events[child], &last)) {
            break;
        }
        world->events[at] = world->events[child];
        at = child;
    }
    world->events[at] = last;
    world->events_run++;
    event.act(world, event.what, event.number);
}

static bool before(const sim_event *a, const sim_event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

/* -- faults and what happened -- */

bool sim_fault(sim_world *world, sim_fault_kind kind, sim_dice *dice)
{
    if (world->calm || world->plan.rates[kind] == 0 || !sim_chance(dice, world->plan.rates[kind])) {
        return false;
    }
    world->faults[kind]++;
    sim_trace(world, SIM_TRACE_FAULT, kind, 0, 0);
    return true;
}

void sim_trace(sim_world *world, sim_trace_kind kind, uint64_t a, uint64_t b, uint64_t c)
{
    sim_line *line = &world->lines[world->line_count++ % SIM_TRACE_KEPT];
    const uint64_t words[] = {world->now_ns, kind, a, b, c};

    *line = (sim_line){world->now_ns, kind, {a, b, c}};
    for (size_t i = 0; i < WEIR_COUNT_OF(words); i++) {
        world->hash = sim_mix(world->hash ^ words[i]);
    }
    if (world->verbose) {
        print_line(line);
    }
}

void sim_print_trace(const sim_world *world)
{
    const uint64_t kept = weir_min(world->line_count, SIM_TRACE_KEPT);

    for (uint64_t i = world->line_count - kept; i < world->line_count; i++) {
        print_line(&world->lines[i % SIM_TRACE_KEPT]);
    }
}

static void print_line(const sim_line *line)
{
    char text[LINE_OCTETS];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(text, sizeof(text), formats[line->kind], (unsigned long long)line->numbers[0],
                   (unsigned long long)line->numbers[1], (unsigned long long)line->numbers[2]);
#pragma GCC diagnostic pop
    const weir_time at_us = line->at_ns / 1000;
    fprintf(stderr, "%6" PRIu64 ".%06" PRIu64 "  %s", at_us / 1000000, at_us % 1000000, text);
    if (line->kind == SIM_TRACE_FAULT) {
        fprintf(stderr, ": %s", sim_fault_name((sim_fault_kind)line->numbers[0]));
    }
    fputc('\n', stderr);
}

_Noreturn void sim_violation(sim_world *world, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(world->what, sizeof(world->what), format, arguments);
    va_end(arguments);
    longjmp(world->violated, 1);
}

/* An assertion of the library is a violation like any other. */
_Noreturn void weir_assert_fail(const char *what, const char *file, int line)
{
    if (sim_current == NULL) {
        fprintf(stderr, "assertion failed: %s (%s:%d)\n", what, file, line);
        abort();
    }
    sim_violation(sim_current, "assertion failed: %s (%s:%d)", what, file, line);
}

/* -- the library's memory -- */

static void *memory_alloc(size_t octets, void *user)
{
    sim_world *world = user;

    if (memory_fails(world)) {
        return NULL;
    }
    sim_block *block = malloc(sizeof(*block) + octets);
    if (block == NULL) {
        abort();
    }
    block->head.of.octets = octets;
    weir_list_init(&block->head.of.place);
    weir_list_push_back(&world->memory.blocks, &block->head.of.place);
    world->memory.live++;
    world->memory.live_octets += octets;
    if (world->memory.live_octets > world->memory.peak_octets) {
        world->memory.peak_octets = world->memory.live_octets;
    }
    /* What nobody wrote must not look like zeroes. */
    memset(block + 1, BLOCK_PATTERN, weir_min(octets, 256));
    return block + 1;
}

/* Always moves, so that a pointer kept across it is found. */
static void *memory_resize(void *at, size_t octets, void *user)
{
    void *moved = memory_alloc(octets, user);

    if (moved != NULL && at != NULL) {
        const sim_block *old = (const sim_block *)at - 1;
        memcpy(moved, at, weir_min(old->head.of.octets, octets));
        memory_release(at, user);
    }
    return moved;
}

static void memory_release(void *at, void *user)
{
    sim_world *world = user;

    if (at == NULL) {
        return;
    }
    sim_block *block = (sim_block *)at - 1;
    weir_list_remove(&block->head.of.place);
    world->memory.live--;
    world->memory.live_octets -= block->head.of.octets;
    memset(at, BLOCK_RELEASED, weir_min(block->head.of.octets, 64));
    free(block);
}

static bool memory_fails(sim_world *world)
{
    sim_memory *memory = &world->memory;
    const uint64_t call = ++memory->calls;

    if (world->calm || memory->fail_at == 0 || call < memory->fail_at) {
        return false;
    }
    if (call > memory->fail_at &&
        (memory->fail_every == 0 || (call - memory->fail_at) % memory->fail_every != 0)) {
        return false;
    }
    world->faults[SIM_FAULT_NOMEM]++;
    sim_trace(world, SIM_TRACE_FAULT, SIM_FAULT_NOMEM, call, 0);
    return true;
}
