/* Measures the row `discard`: how long the kernel takes to get the pages of a burst back by madvise, without an
 * allocator. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The row gives the memory of a burst back by calls of madvise with MADV_DONTNEED, each for RUN_PIECES pieces of the
 * burst, with the pauses of light traffic between the calls. No allocator takes part, so figures of different
 * allocators differ only by noise. Now and then the kernel does other work within such a call. An allocator that gives
 * memory back by such calls has to wait for that too, so the longest call here shows about how long the longest calls
 * in its row `stall` take at least.
 */
#include "bench.h"
#include "burst.h"
#include "clock.h"
#include "touch.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum { RUN_PIECES = 8, RUNS = BURST_PIECES / RUN_PIECES };

void row_discard(const char *argument)
{
    (void)argument;
    size_t run = (size_t)BURST_PIECE * RUN_PIECES;
    char *start = mmap(NULL, run * RUNS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED)
        bench_fail("discard: mmap");
    touch_pages(start, run * RUNS);
    int64_t sum = 0, most = 0;
    for (unsigned i = 0; i < RUNS; i++) {
        int64_t before = clock_busy();
        if (madvise(start + i * run, run, MADV_DONTNEED) != 0)
            bench_fail("discard: madvise");
        int64_t taken = clock_busy() - before;
        sum += taken;
        most = taken > most ? taken : most;
        usleep(BURST_PAUSE_MICROSECONDS);
    }
    bench_report("discard.mean", (double)sum / RUNS / 1000, "us");
    bench_report("discard.most", (double)most / 1000, "us");
}
