/* The requests of the workloads: random sizes, which are drawn into tables before a row is measured. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BENCH_SIZES_H
#define BENCH_SIZES_H

#include <stddef.h>
#include <stdint.h>

/* One step of a workload: allocates `size` bytes, and stores the address at `place` among the live buffers. */
struct step {
    uint32_t size;
    uint32_t place;
};

/*
 * The number of steps in a table is a power of two, so that a workload can go round the table with a mask. It is large
 * enough for the rare sizes to occur as often as they should, and small enough for the processor's second-level cache.
 */
enum { STEPS = 1 << 14 };

/* The sizes that network servers request, and which percentage of the requests has each size. */
enum { MIX_SIZES = 12 };
struct mix_share {
    uint32_t size;
    uint32_t percent;
};
extern const struct mix_share mix_shares[MIX_SIZES];

/*
 * sizes_mix fills the table with sizes of the mix, and sizes_small with sizes from 16 to 1024 bytes; both choose random
 * places below `live`. The random numbers are the same in each run, so that every allocator gets the same requests in
 * the same order.
 */
void sizes_mix(struct step table[STEPS], unsigned live);
void sizes_small(struct step table[STEPS], unsigned live);

#endif
