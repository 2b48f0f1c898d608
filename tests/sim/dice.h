/* SPDX-License-Identifier: MIT */
/*
 * Dice: splitmix64. One seed makes many streams that know nothing of each other.
 */
#ifndef WEIR_SIM_DICE_H
#define WEIR_SIM_DICE_H

#include "proto/base.h"

typedef struct sim_dice {
    uint64_t state;
} sim_dice;

static inline uint64_t sim_mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

static inline sim_dice sim_dice_of(uint64_t seed, uint64_t stream)
{
    return (sim_dice){sim_mix(seed ^ sim_mix(stream + UINT64_C(0x9e3779b97f4a7c15)))};
}

static inline uint64_t sim_throw(sim_dice *dice)
{
    dice->state += UINT64_C(0x9e3779b97f4a7c15);
    return sim_mix(dice->state);
}

/* 0 to n - 1; n > 0. */
static inline uint64_t sim_below(sim_dice *dice, uint64_t n)
{
    WEIR_ASSERT(n > 0);
    return (sim_throw(dice) >> 11) % n;
}

/* low to high, both included. */
static inline uint64_t sim_between(sim_dice *dice, uint64_t low, uint64_t high)
{
    WEIR_ASSERT(low <= high);
    return low + sim_below(dice, high - low + 1);
}

static inline bool sim_chance(sim_dice *dice, uint32_t per_mille)
{
    return sim_below(dice, 1000) < per_mille;
}

/* Small numbers often, large ones now and then: up to `most`, of any magnitude alike. */
static inline uint64_t sim_spread(sim_dice *dice, uint64_t most)
{
    unsigned bits = 0;

    while (bits < 63 && (most >> bits) > 0) {
        bits++;
    }
    const uint64_t limit = UINT64_C(1) << sim_below(dice, bits + 1);
    const uint64_t value = sim_below(dice, limit);
    return value < most ? value : most;
}

#endif
