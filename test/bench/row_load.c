/* Measures the row `load`: what it costs to preload a library into a program that does nothing. */
/* SPDX-License-Identifier: BSD-2-Clause */

/* Runs `true` many times, with and without the library in turn, and takes the difference in processor time from
 * start to end. From each kind it takes the lower quartile, because other work on the machine only adds time, and
 * the smallest value depends on luck. This program itself runs without a preload. If the library is `-` neither kind
 * has a preload, and the figure is the noise of the row. */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { RUNS = 61 };

static char preload[4096];
static char *with[] = {preload, NULL};
static char *without[] = {NULL};

static int64_t microseconds(struct timeval time)
{
    return (int64_t)time.tv_sec * 1000000 + time.tv_usec;
}

static int64_t run_true(char **environment)
{
    char *arguments[] = {"true", NULL};
    struct rusage usage;
    pid_t child;
    int status;
    errno = posix_spawnp(&child, arguments[0], NULL, NULL, arguments, environment);
    if (errno != 0)
        bench_fail("load: posix_spawnp true");
    if (wait4(child, &status, 0, &usage) != child || status != 0)
        bench_fail("load: true did not succeed");
    return microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
}

static int compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left;
    int64_t b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static int64_t lower_quartile(int64_t times[RUNS])
{
    qsort(times, RUNS, sizeof times[0], compare);
    return times[RUNS / 4];
}

void row_load(const char *argument)
{
    int64_t loaded[RUNS];
    int64_t plain[RUNS];
    int length = snprintf(preload, sizeof preload, "LD_PRELOAD=%s", argument);
    if (length < 0 || (size_t)length >= sizeof preload)
        bench_fail("load: the library's path is too long");
    char **other = strcmp(argument, "-") == 0 ? without : with;
    for (unsigned i = 0; i < RUNS; i++) {
        loaded[i] = run_true(other);
        plain[i] = run_true(without);
    }
    double milliseconds = (double)(lower_quartile(loaded) - lower_quartile(plain)) / 1e3;
    bench_report("load", milliseconds, "ms");
}
