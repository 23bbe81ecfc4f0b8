/* The requests of the workloads: random sizes, which are drawn into tables beforehand. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_SIZES_H
#define BENCH_SIZES_H

#include <stddef.h>
#include <stdint.h>

/* One step of a workload: allocate `size` bytes, and keep them at `place` among the live buffers. */
struct step {
    uint32_t size;
    uint32_t place;
};

/* A power of two, so that a workload can go round the table with a mask. The table is long enough for the rare sizes
 * to come as often as they should, and short enough to fit
 * into the processor's second-level cache. */
enum { STEPS = 1 << 14 };

/* The sizes that network servers request, and how many in a hundred requests have each. */
enum { MIX_SIZES = 12 };
struct mix_share {
    uint32_t size;
    uint32_t percent;
};
extern const struct mix_share mix_shares[MIX_SIZES];

/* Fill the table with sizes of the mix, or with sizes from 16 to 1024 bytes, and with places below `live`. The
 * numbers are the same each time, so that every allocator gets the same requests in the same order. */
void sizes_mix(struct step table[STEPS], unsigned live);
void sizes_small(struct step table[STEPS], unsigned live);

#endif
