/* The row `cow`: pages copied when a parent frees buffers that its child still shares. */
/* SPDX-License-Identifier: BSD-2-Clause */

/* redis forks a child to save a snapshot: each page that the parent writes to from then on exists twice. A page that is
 * shared since the fork takes one minor fault when it is first written, and the copy is made in it; so the parent's
 * minor faults between two readings count the copies. /proc/self/pagemap could tell them from faults for pages new to
 * the process, but such pages are memory too that the frees cost, and are few: the count is never too low. What the
 * reading itself writes to is copied before it counts. */
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

/* The child: lives until the parent closes its end of the pipe, and touches nothing. */
static _Noreturn void wait_for_end(int input)
{
    char nothing;
    _exit(read(input, &nothing, 1) == 0 ? 0 : 1);
}

/* Shuffled by the random numbers that also made the sizes, since no server frees in the order in which it allocated. */
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
