/*
 * Measures the row `span`: on how many pages a buffer lies, divided by the smallest number of pages that could hold it.
 */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A server that fills a buffer touches every page on which the buffer lies, and the kernel pins these pages when it
 * sends from the buffer. If the allocator puts a header in front of the buffer, the buffer may lie on one page more.
 * The row allocates many buffers of the sizes that network servers request. For each size it computes the mean ratio of
 * the pages on which a buffer lies to the fewest pages that could hold it. The figure is the mean over all sizes, and
 * each size has the same weight.
 */
#include "bench.h"
#include "sizes.h"
#include "touch.h"

#include <stdlib.h>

enum { BUFFERS = 1024 };

static struct step steps[STEPS];

static unsigned long pages_spanned(uintptr_t address, size_t size)
{
    return (address + size - 1) / PAGE - address / PAGE + 1;
}

void row_span(const char *argument)
{
    (void)argument;
    double sum[MIX_SIZES] = {0};
    unsigned count[MIX_SIZES] = {0};
    double total = 0;
    sizes_mix(steps, 1);
    for (unsigned i = 0; i < BUFFERS; i++) {
        size_t size = steps[i].size;
        void *buffer = malloc(size); /* no buffer is freed, so that every buffer has another address */
        touch_first(buffer);
        unsigned which = 0;
        while (mix_shares[which].size != size)
            which++;
        sum[which] += (double)pages_spanned((uintptr_t)buffer, size) / (double)pages_spanned(0, size);
        count[which]++;
    }
    for (unsigned i = 0; i < MIX_SIZES; i++) {
        if (count[i] == 0)
            bench_fail("span: a size of the mix was never drawn");
        total += sum[i] / count[i];
    }
    bench_report("span", total / MIX_SIZES, "pages/page");
}
