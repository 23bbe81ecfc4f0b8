/* What the workloads ask for: random sizes, drawn beforehand into tables. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_SIZES_H
#define BENCH_SIZES_H

#include <stddef.h>
#include <stdint.h>

/* One step of a prepared workload: ask for `size` bytes and keep them at `place` among the live ones. */
struct step {
    uint32_t size;
    uint32_t place;
};

/* A power of two, so that a workload can go round the table with a mask. Long enough for the rare sizes to come in
 * their proportion, short enough for the table to stay in the second-level cache. */
enum { STEPS = 1 << 14 };

/* The sizes that network servers ask for, and how many in a hundred of each. */
enum { MIX_SIZES = 12 };
struct mix_share {
    uint32_t size;
    uint32_t percent;
};
extern const struct mix_share mix_shares[MIX_SIZES];

/* Fill the table with the mix, or with sizes from 16 to 1024 bytes, and with places below `live`.
 * The same numbers each time: every allocator gets the same requests in the same order. */
void sizes_mix(struct step table[STEPS], unsigned live);
void sizes_small(struct step table[STEPS], unsigned live);

#endif
