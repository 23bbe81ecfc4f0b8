/* Measures the row `cow`: how many pages are copied when a parent frees buffers that its child still shares. */
/* SPDX-License-Identifier: BSD-2-Clause */

/* redis forks a child to save a snapshot, and each page that the parent writes to afterwards exists twice. The first
 * write to a page that is shared since the fork takes one minor fault, in which the kernel makes the copy. So the
 * parent's minor faults between two readings are the number of copies. A fault for a page that is new to the process is
 * counted as well, although nothing is copied; /proc/self/pagemap could tell the two apart. Such faults are few, and
 * each of them is a page that the frees cost, too. So the count is never lower than the number of copies. The pages
 * that the reading itself writes to are copied before the count begins. */
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

/* Runs in the child. It waits until the parent closes its end of the pipe, and meanwhile writes to no memory. */
static _Noreturn void wait_for_end(int input)
{
    char nothing;
    _exit(read(input, &nothing, 1) == 0 ? 0 : 1);
}

/* Shuffles the buffers by the same random numbers that chose the sizes, because servers do not free in the order in
 * which they allocated. */
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
