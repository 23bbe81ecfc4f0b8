/* Measures the row `cow`: how many pages the kernel copies when a parent frees buffers that it shares with a forked
 * child. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * redis forks a child to save a snapshot, and from then on the kernel copies each shared page that the parent writes
 * to. The first write to such a page causes one minor fault, in which the kernel makes the copy. So the row counts the
 * parent's minor faults between two readings. Faults for pages that are new to the process count too, although nothing
 * is copied; /proc/self/pagemap could tell the two apart. Faults for new pages are few, and they only make
 * the figure higher, so it is never lower than the number of copies. The count is read once before the first of these
 * two readings, so that the pages that a reading itself writes to are already copied and do not count.
 */
#include "bench.h"
#include "sizes.h"
#include "touch.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BUFFERS = 2048 };

static struct step steps[STEPS];
static void *buffers[BUFFERS];

static long minor_faults(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        bench_fail("getrusage");
    return usage.ru_minflt;
}

/* Runs in the child: reads from a pipe until the parent closes its end, and writes to no memory meanwhile. */
static _Noreturn void wait_for_end(int input)
{
    char nothing;
    _exit(read(input, &nothing, 1) == 0 ? 0 : 1);
}

/* Brings the buffers into a random order, because servers do not free in the order in which they allocated. The random
 * numbers are the places in the table `steps`, which was filled together with the sizes. */
static void shuffle(void)
{
    for (unsigned i = 0; i < BUFFERS; i++) {
        unsigned other = steps[i].place;
        void *held = buffers[i];
        buffers[i] = buffers[other];
        buffers[other] = held;
    }
}

void row_cow(const char *argument)
{
    (void)argument;
    int ends[2];
    int status;
    sizes_mix(steps, BUFFERS);
    for (unsigned i = 0; i < BUFFERS; i++) {
        buffers[i] = malloc(steps[i].size);
        touch_first(buffers[i]);
    }
    shuffle();
    if (pipe(ends) != 0)
        bench_fail("cow: pipe");
    pid_t child = fork();
    if (child < 0)
        bench_fail("cow: fork");
    if (child == 0) {
        close(ends[1]);
        wait_for_end(ends[0]);
    }
    minor_faults();
    long before = minor_faults();
    for (unsigned i = 0; i < BUFFERS; i++)
        free(buffers[i]);
    long copied = minor_faults() - before;
    close(ends[1]);
    if (waitpid(child, &status, 0) != child || status != 0)
        bench_fail("cow: the child did not live to the end");
    bench_report("cow", (double)copied, "pages");
}
