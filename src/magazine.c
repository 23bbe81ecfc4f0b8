/* Magazines: arrays of free slots that move as one, and the table that they come from. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "magazine.h"

#include "os.h"
#include "reserve.h"
#include "table.h"

enum { MAGAZINES_MAX = 1 << 16, MAGAZINES_MIN = 1 << 7, MAGAZINES_STEP = 16 << 10 };

static struct table magazines;
static struct table links;
static _Alignas(CACHE_LINE) _Atomic uint32_t opened;

/* In proportion to the lanes: under a tight RLIMIT_AS the table must not eat what the slots need.
 */
static size_t magazine_limit(unsigned shift)
{
    size_t limit = ((size_t)1 << shift) / 16 / sizeof(struct magazine);
    limit = limit < MAGAZINES_MIN ? MAGAZINES_MIN : limit;
    return limit > MAGAZINES_MAX ? MAGAZINES_MAX : limit;
}

static size_t magazine_table_size(unsigned shift)
{
    return os_round_to_pages(magazine_limit(shift) * sizeof(struct magazine));
}

static size_t magazine_links_size(unsigned shift)
{
    return os_round_to_pages(magazine_limit(shift) * sizeof(stack_link));
}

size_t magazine_space(unsigned shift)
{
    return magazine_table_size(shift) + magazine_links_size(shift);
}

void magazine_lay(unsigned shift)
{
    size_t table = magazine_table_size(shift);
    size_t table_links = magazine_links_size(shift);
    table_open(&magazines, reserve_cut(table), table, MAGAZINES_STEP);
    table_open(&links, reserve_cut(table_links), table_links, MAGAZINES_STEP);
}

static struct magazine *magazine_at(uint32_t number)
{
    return (struct magazine *)(void *)magazines.start + number;
}

struct magazine *magazine_open(void)
{
    uint32_t number = atomic_load_explicit(&opened, memory_order_relaxed);
    do {
        size_t end = (size_t)number + 1;
        if (!table_reach(&links, end * sizeof(stack_link)) ||
            !table_reach(&magazines, end * sizeof(struct magazine))) {
            return NULL;
        }
    } while (!atomic_compare_exchange_weak_explicit(&opened, &number, number + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    return magazine_at(number);
}

void magazine_push(struct stack *stack, struct magazine *magazine)
{
    stack_push(stack, (stack_link *)(void *)links.start, (uint32_t)(magazine - magazine_at(0)));
}

struct magazine *magazine_pop(struct stack *stack)
{
    uint32_t number = stack_pop(stack, (stack_link *)(void *)links.start);
    return number == STACK_EMPTY ? NULL : magazine_at(number);
}

void magazine_reset(void)
{
    uint32_t count = atomic_load_explicit(&opened, memory_order_relaxed);
    for (uint32_t number = 0; number < count; number++) {
        magazine_set_count(magazine_at(number), 0);
    }
    atomic_store_explicit(&opened, 0, memory_order_relaxed);
}
