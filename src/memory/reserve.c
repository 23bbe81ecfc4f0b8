/* Chooses a window of free addresses for the range of slots and all tables. Start-up divides the window among them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "memory/reserve.h"

#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/attributes.h"
#include "os/os.h"

/*
 * If the window cannot lie just below the program, the library looks for a window at the addresses between 64 TiB and
 * 80 TiB. mimalloc (2 to 30 TiB), Java's heaps, and mappings of programs under `ulimit -s unlimited` lie lower;
 * programs, libraries and stacks lie higher. The library tries RANDOM_TRIES places, which it computes from random bytes
 * of the kernel. If none of them is free, the kernel chooses the place. ThreadSanitizer keeps its own memory at the
 * addresses between 64 TiB and 80 TiB. So under ThreadSanitizer (x86-64) the library looks for a place in 192 GiB just
 * above 85 TiB, which ThreadSanitizer leaves to the program.
 */
enum { RANDOM_TRIES = 8, ALIGNMENT_SHIFT = 21 };
static const uintptr_t lowest = (uintptr_t)(UNDER_THREAD_SANITIZER ? 0x5510 : 0x4000) << 32;
static const uintptr_t span = (uintptr_t)(UNDER_THREAD_SANITIZER ? 0x30 : 0x1000) << 32;

static char *start;
static char *rest;
static size_t window;

/*
 * Returns a random number that differs from process to process, made from the 16 random bytes that the kernel gives
 * each program when it starts (AT_RANDOM).
 */
static uint64_t reserve_seed(void)
{
    uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);
    const void *bytes = (const void *)getauxval(AT_RANDOM);
    if (bytes != NULL) {
        memcpy(&seed, bytes, sizeof seed);
    }
    return seed;
}

/* Returns a random place for the library's window of addresses: a multiple of 2 MiB. */
static char *reserve_random(uint64_t seed, unsigned attempt)
{
    uint64_t mixed = (seed + attempt) * UINT64_C(0x9e3779b97f4a7c15); /* Knuth's multiplier */
    uintptr_t offset = (uintptr_t)(mixed >> (64 - 44)) % span;
    return (char *)(lowest + (offset >> ALIGNMENT_SHIFT << ALIGNMENT_SHIFT));
}

/* Returns where the library's window of addresses will begin, or NULL if no place is free. The window ends at
 * `wished_end` if the place before it is free. */
static char *reserve_choose(size_t size, char *wished_end)
{
    if (wished_end != NULL && os_is_free(wished_end - size, size)) {
        return wished_end - size;
    }
    uint64_t seed = reserve_seed();
    for (unsigned attempt = 0; attempt < RANDOM_TRIES; attempt++) {
        char *place = reserve_random(seed, attempt);
        if (os_is_free(place, size)) {
            return place;
        }
    }
    return os_find_free(size);
}

COLD bool reserve_open(size_t size, char *wished_end)
{
    start = reserve_choose(size, wished_end);
    rest = start;
    window = start != NULL ? size : 0;
    return start != NULL;
}

bool reserve_holds(const void *address)
{
    return (uintptr_t)address - (uintptr_t)start < window;
}

COLD size_t reserve_space(size_t size)
{
    return size + os_page_size();
}

COLD char *reserve_cut(size_t size)
{
    char *part = rest;
    rest += reserve_space(size);
    return part;
}
