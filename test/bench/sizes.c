/* Draws the sizes of the workloads by a random generator of its own, so that every run gets the same sizes. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "sizes.h"

#include "bench.h"

const struct mix_share mix_shares[MIX_SIZES] = {
    {4096, 18}, {8192, 16},  {16384, 18}, {16704, 10}, {17408, 4},  {32768, 12},
    {33024, 2}, {65536, 12}, {66000, 1},  {131072, 4}, {262144, 2}, {1048576, 1},
};

/* Returns a random number below `limit`. The generator is xorshift64* (Marsaglia's xorshift64 and a multiplication by
 * Vigna's constant). The high half of the product is scaled to `limit`. */
static uint32_t random_below(uint64_t *state, uint32_t limit)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    uint64_t number = (*state * UINT64_C(2685821657736338717)) >> 32;
    return (uint32_t)((number * limit) >> 32);
}

static uint32_t mix_draw(uint64_t *state)
{
    uint32_t percent = random_below(state, 100);
    for (unsigned i = 0; i < MIX_SIZES; i++) {
        if (percent < mix_shares[i].percent)
            return mix_shares[i].size;
        percent -= mix_shares[i].percent;
    }
    bench_fail("the shares of the mix do not add up to a hundred");
}

static uint32_t small_draw(uint64_t *state)
{
    return 16 + random_below(state, 1024 - 16 + 1);
}

static void fill(struct step table[STEPS], unsigned live, uint32_t (*draw)(uint64_t *state))
{
    uint64_t state = UINT64_C(0x9e3779b97f4a7c15);
    for (unsigned i = 0; i < STEPS; i++) {
        table[i].size = draw(&state);
        table[i].place = random_below(&state, live);
    }
}

void sizes_mix(struct step table[STEPS], unsigned live)
{
    fill(table, live, mix_draw);
}

void sizes_small(struct step table[STEPS], unsigned live)
{
    fill(table, live, small_draw);
}
