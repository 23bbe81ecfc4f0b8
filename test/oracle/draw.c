/* Draws pseudo-random numbers, sizes and alignments from a seed. In each round, each thread has a random stream of its
 * own. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "draw.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { PAGE = 4096 };

/* Mixes the bits of a stream's state as splitmix64 does (Sebastiano Vigna). Two different states never give the same
 * number. */
static uint64_t draw_mix(uint64_t bits)
{
    bits = (bits ^ bits >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    bits = (bits ^ bits >> 27) * UINT64_C(0x94d049bb133111eb);
    return bits ^ bits >> 31;
}

uint64_t draw_bits(struct draw *draw)
{
    draw->state += UINT64_C(0x9e3779b97f4a7c15);
    return draw_mix(draw->state);
}

size_t draw_below(struct draw *draw, size_t limit)
{
    return (size_t)(draw_bits(draw) % limit);
}

bool draw_one_in(struct draw *draw, size_t count)
{
    return draw_below(draw, count) == 0;
}

static size_t size_tiny(struct draw *draw)
{
    return draw_below(draw, 80);
}

/* Returns a random size below 1 MiB: chooses one of the 20 powers of two below 1 MiB, each with the same chance, and
 * then a size from this power up to the next one. */
static size_t size_any(struct draw *draw)
{
    size_t floor = (size_t)1 << draw_below(draw, 20);
    return floor + draw_below(draw, floor);
}

static size_t size_of_buffers(struct draw *draw)
{
    return 2000 + draw_below(draw, 100000);
}

/* Returns a random size near a power of two, where allocators change their methods, or near a bound of sockmalloc's
 * default settings. */
static size_t size_near_border(struct draw *draw)
{
    static const size_t border[] = {85000, 3 * PAGE, 5 * PAGE, 7 * PAGE};
    size_t powers = draw_one_in(draw, 8) ? 18 : 13;
    size_t which = draw_below(draw, powers + COUNT(border));
    size_t base = which < powers ? (size_t)1 << (which + 5) : border[which - powers];
    return base - 20 + draw_below(draw, 41);
}

static size_t size_of_pages(struct draw *draw)
{
    return PAGE * (1 + draw_below(draw, 64));
}

static size_t size_great(struct draw *draw)
{
    return ((size_t)4 << 20) - PAGE + draw_below(draw, (size_t)5 << 20);
}

static const struct {
    size_t weight;
    size_t (*size)(struct draw *draw);
} sizes[] = {
    {24, size_tiny}, {20, size_any}, {24, size_of_buffers}, {24, size_near_border}, {7, size_of_pages}, {1, size_great},
};

static size_t draw_new_size(struct draw *draw)
{
    size_t number = draw_below(draw, 100); /* 100 is the sum of all weights */
    unsigned row = 0;
    while (number >= sizes[row].weight) {
        number -= sizes[row++].weight;
    }
    return sizes[row].size(draw);
}

size_t draw_size(struct draw *draw)
{
    if (draw_one_in(draw, 2)) {
        return draw_new_size(draw);
    }
    return draw->favourite[draw_below(draw, DRAW_FAVOURITES)] + draw_below(draw, 4);
}

struct draw draw_begin(uint64_t seed, unsigned round, unsigned worker, bool is_child)
{
    uint64_t name = ((uint64_t)round << 16) + worker * 2 + is_child;
    struct draw draw = {.state = draw_mix(draw_mix(seed) + name)};
    for (unsigned i = 0; i < DRAW_FAVOURITES; i++) {
        draw.favourite[i] = draw_new_size(&draw);
    }
    return draw;
}

size_t draw_huge(struct draw *draw)
{
    static const size_t base[] = {SIZE_MAX, (size_t)PTRDIFF_MAX + PAGE, (size_t)PTRDIFF_MAX, SIZE_MAX / 4 * 3};
    size_t which = draw_below(draw, COUNT(base) + 1);
    return which < COUNT(base) ? base[which] - draw_below(draw, 3 * PAGE) : (size_t)1 << (48 + draw_below(draw, 16));
}

/* Most alignments are from 128 to 2048, because within these bounds allocators change how they align. */
size_t draw_alignment(struct draw *draw)
{
    if (draw_one_in(draw, 64)) {
        return (size_t)1 << (48 + draw_below(draw, 15));
    }
    size_t from = draw_one_in(draw, 2) ? 7 : 3;
    size_t count = from == 7 ? 5 : draw_one_in(draw, 16) ? 20 : 12;
    return (size_t)1 << (from + draw_below(draw, count));
}

size_t draw_bad_alignment(struct draw *draw)
{
    static const size_t bad[] = {0, 1, 2, 3, 4, 7, 12, 24, 48, 100, PAGE + 8, 100000};
    return bad[draw_below(draw, COUNT(bad))];
}

struct array draw_array(struct draw *draw, size_t bytes)
{
    static const size_t width[] = {1, 1, 2, 8, 16, 24, 100, PAGE};
    size_t chosen = width[draw_below(draw, COUNT(width))];
    struct array array = {.count = bytes / chosen, .width = chosen};
    return draw_one_in(draw, 4) ? (struct array){.count = array.width, .width = array.count} : array;
}

struct array draw_overflow(struct draw *draw)
{
    size_t width = draw_one_in(draw, 2) ? (size_t)2 << draw_below(draw, 62) : 3 + draw_below(draw, 1000);
    struct array array = {.count = SIZE_MAX / width + 1 + draw_below(draw, 1000), .width = width};
    return draw_one_in(draw, 2) ? (struct array){.count = array.width, .width = array.count} : array;
}
