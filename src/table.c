/* A table in reserved address space that becomes usable from its start on, by need and for good. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "table.h"

#include "os.h"

/* A table that is large already grows by an eighth, so that few calls serve a burst; never by more
 * than this. */
enum { TABLE_STEP_MAX = 32 << 20 };

void table_open(struct table *table, char *start, size_t limit, size_t step)
{
    table->start = start;
    table->limit = limit;
    table->step = step;
    atomic_store_explicit(&table->ready, 0, memory_order_relaxed);
}

static void table_publish(struct table *table, size_t ready)
{
    size_t seen = atomic_load_explicit(&table->ready, memory_order_relaxed);
    while (seen < ready &&
           !atomic_compare_exchange_weak_explicit(&table->ready, &seen, ready, memory_order_release,
                                                  memory_order_relaxed)) {
    }
}

static bool table_permit(struct table *table, size_t ready, size_t goal)
{
    if (!os_permit_writing(table->start + ready, goal - ready)) {
        return false;
    }
    table_publish(table, goal);
    return true;
}

bool table_grow(struct table *table, size_t size)
{
    size_t ready = atomic_load_explicit(&table->ready, memory_order_acquire);
    size_t least = os_round_to_pages(size);
    if (least > table->limit) {
        return false;
    }
    if (least <= ready) {
        return true;
    }
    size_t step = ready / 8 < TABLE_STEP_MAX ? ready / 8 : TABLE_STEP_MAX;
    size_t goal = os_round_to_pages(ready + (step > table->step ? step : table->step));
    goal = goal < least ? least : goal;
    goal = goal > table->limit ? table->limit : goal;
    /* Short of memory under strict overcommit, what is needed now may still be had. */
    return table_permit(table, ready, goal) || table_permit(table, ready, least);
}
