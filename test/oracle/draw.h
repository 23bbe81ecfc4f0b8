/* Draws pseudo-random numbers, sizes and alignments from a seed. In each round, each thread has a random stream of its
 * own. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ORACLE_DRAW_H
#define ORACLE_DRAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DRAW_FAVOURITES = 6 };

struct draw {
    uint64_t state;
    size_t favourite[DRAW_FAVOURITES]; /* sizes that this stream requests again and again, so that slots are reused */
};

/* Returns the random stream of a worker in a round, for this seed. The child of a fork passes `is_child` and so gets
 * another stream than its parent. Streams with different arguments are independent. */
struct draw draw_begin(uint64_t seed, unsigned round, unsigned worker, bool is_child);

/* draw_bits returns 64 random bits. draw_below returns a random number below `limit`, which must not be 0. draw_one_in
 * returns true with a chance of one in `count`. */
uint64_t draw_bits(struct draw *draw);
size_t draw_below(struct draw *draw, size_t limit);
bool draw_one_in(struct draw *draw, size_t count);

/* Returns a size from 0 to 9 MiB, which any machine can allocate. Most sizes are small, and many are near a bound of
 * the allocator. */
size_t draw_size(struct draw *draw);

/* Returns a size of at least 2^48, which no machine can allocate. */
size_t draw_huge(struct draw *draw);

/* Returns a power of two that is a legal alignment. Now and then it is so large that no address can have this
 * alignment. */
size_t draw_alignment(struct draw *draw);

/* Returns an alignment that no call accepts, or that only some calls accept. */
size_t draw_bad_alignment(struct draw *draw);

/* describes an array of `count` elements of `width` bytes */
struct array {
    size_t count;
    size_t width;
};

/* draw_array returns the description of an array of about `bytes` bytes, draw_overflow that of an array whose size in
 * bytes does not fit into a size_t. */
struct array draw_array(struct draw *draw, size_t bytes);
struct array draw_overflow(struct draw *draw);

#endif
