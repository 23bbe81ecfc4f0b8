/*
 * Magazines: arrays of free slots. A whole array is moved at once between a thread and the depot. All magazines lie in
 * one table.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "cache/magazine.h"

#include "base/bounds.h"
#include "base/colour.h"
#include "memory/reserve.h"
#include "memory/table.h"
#include "os/os.h"

/*
 * MAGAZINES_MAX is the largest number of magazines, and MAGAZINES_STEP is the smallest number of bytes by which the
 * tables of magazines and of their links grow.
 */
enum { MAGAZINES_MAX = 1 << 16, MAGAZINES_STEP = 16 << 10 };

/*
 * MAGAZINES_A_PAGE is the number of magazines in each page of the table. Magazines lie only at those offsets within a
 * page that colour.h assigns to them. Other frequently used data lie at other offsets, so stores to magazines do not
 * slow down loads and stores of these data. MAGAZINES_SKIPPED is how many magazines would fit between the start of a
 * page and the first magazine.
 */
enum {
    MAGAZINES_SKIPPED = COLOUR_MAGAZINES / MAGAZINE_SIZE,
    MAGAZINES_A_PAGE = COLOUR_MAGAZINES_END / MAGAZINE_SIZE - MAGAZINES_SKIPPED
};

static struct table magazines;
static struct table links;
static _Alignas(CACHE_LINE) _Atomic uint32_t opened;

/* Returns how many bytes of the table are needed for its first `count` magazines, in whole pages. */
static size_t magazine_end(size_t count)
{
    return (count + MAGAZINES_A_PAGE - 1) / MAGAZINES_A_PAGE * COLOUR_PAGE;
}

static size_t magazine_table_size(void)
{
    return os_round_to_pages(magazine_end(MAGAZINES_MAX));
}

static size_t magazine_links_size(void)
{
    return os_round_to_pages(MAGAZINES_MAX * sizeof(stack_link));
}

COLD size_t magazine_space(void)
{
    return reserve_space(magazine_table_size()) + reserve_space(magazine_links_size());
}

COLD bool magazine_lay(void)
{
    size_t table = magazine_table_size();
    size_t table_links = magazine_links_size();
    bool laid = table_open(&magazines, reserve_cut(table), table, MAGAZINES_STEP);
    return table_open(&links, reserve_cut(table_links), table_links, MAGAZINES_STEP) && laid;
}

void magazine_unlay(void)
{
    table_close(&magazines);
    table_close(&links);
}

static struct magazine *magazine_at(uint32_t number)
{
    char *page = magazines.start + (size_t)(number / MAGAZINES_A_PAGE) * COLOUR_PAGE;
    return (struct magazine *)(void *)page + MAGAZINES_SKIPPED + number % MAGAZINES_A_PAGE;
}

static uint32_t magazine_number(const struct magazine *magazine)
{
    size_t offset = (uintptr_t)magazine - (uintptr_t)magazines.start;
    size_t within = offset % COLOUR_PAGE / MAGAZINE_SIZE - MAGAZINES_SKIPPED;
    return (uint32_t)(offset / COLOUR_PAGE * MAGAZINES_A_PAGE + within);
}

struct magazine *magazine_open(void)
{
    uint32_t number = atomic_load_explicit(&opened, memory_order_relaxed);
    do {
        size_t end = (size_t)number + 1;
        if (!table_reach(&links, end * sizeof(stack_link)) || !table_reach(&magazines, magazine_end(end))) {
            return NULL;
        }
    } while (!atomic_compare_exchange_weak_explicit(&opened, &number, number + 1, memory_order_relaxed,
                                                    memory_order_relaxed));
    return magazine_at(number);
}

void magazine_push(struct stack *stack, struct magazine *magazine)
{
    stack_push(stack, (stack_link *)(void *)links.start, 0, magazine_number(magazine));
}

struct magazine *magazine_pop(struct stack *stack)
{
    uint32_t number = stack_pop(stack, (stack_link *)(void *)links.start, 0);
    return number == STACK_EMPTY ? NULL : magazine_at(number);
}

void magazine_reset(void)
{
    uint32_t count = atomic_load_explicit(&opened, memory_order_relaxed);
    table_after_fork(&magazines);
    table_after_fork(&links);
    for (uint32_t number = 0; number < count; number++) {
        magazine_set_count(magazine_at(number), 0);
    }
    atomic_store_explicit(&opened, 0, memory_order_relaxed);
}

COLD struct span magazine_table_span(void)
{
    return (struct span){&magazines, sizeof magazines};
}

COLD struct span magazine_links_span(void)
{
    return (struct span){&links, sizeof links};
}

size_t magazine_capacity(void)
{
    size_t most = os_round_to_pages(magazine_end(MAGAZINES_MAX));
    return LESSER(magazines.limit, most);
}

struct span magazine_records_span(void)
{
    return (struct span){magazines.start, atomic_load_explicit(&magazines.ready, memory_order_acquire)};
}
