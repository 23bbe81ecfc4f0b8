/* What a seed decides: numbers, sizes and alignments, each drawn from a stream of its own thread and round. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ORACLE_DRAW_H
#define ORACLE_DRAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DRAW_FAVOURITES = 6 };

struct draw {
    uint64_t state;
    size_t favourite[DRAW_FAVOURITES]; /* sizes that this stream asks for again and again, so that
                                          slots are reused */
};

/* Begins the stream of that name. Two streams with different names have nothing in common. */
struct draw draw_begin(uint64_t seed, unsigned round, unsigned worker, bool is_child);

/* Returns any 64 bits; a number below `limit`, which is not 0; true once in `count` times. */
uint64_t draw_bits(struct draw *draw);
size_t draw_below(struct draw *draw, size_t limit);
bool draw_one_in(struct draw *draw, size_t count);

/* Returns a size that any machine has: 0 to 9 MiB, most of them small, many near a border. */
size_t draw_size(struct draw *draw);

/* Returns a size that no machine has: 2^48 at least. */
size_t draw_huge(struct draw *draw);

/* Returns a power of two that is a legal alignment, now and then one that no address can have. */
size_t draw_alignment(struct draw *draw);

/* Returns an alignment that no call takes, or that only some take. */
size_t draw_bad_alignment(struct draw *draw);

/* An array of `count` elements of `width` bytes. */
struct array {
    size_t count;
    size_t width;
};

/* Returns an array of about so many bytes, or one whose bytes are more than a size_t can say. */
struct array draw_array(struct draw *draw, size_t bytes);
struct array draw_overflow(struct draw *draw);

#endif
