/* Measures the row `load`: how much longer a program that does nothing takes with a preloaded library. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The row runs the program `true` many times, with and without the library in turn, and reports the difference in
 * processor time from start to end. It compares the lower quartile of the times with the library and that of the times
 * without, because other load on the machine only adds time, and the smallest value depends on luck. The difference in
 * page faults is that of the medians, and the difference in resident memory comes from one run of `sleep` with and one
 * without the library. This program itself runs without the library. If the library is `-`, all programs run without
 * one, and the figures show the noise of the row.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RUNS = 61 };

static char preload[4096];
static char *with[] = {preload, NULL};
static char *without[] = {NULL};

static int64_t microseconds(struct timeval time)
{
    return (int64_t)time.tv_sec * 1000000 + time.tv_usec;
}

struct cost {
    int64_t time; /* microseconds */
    int64_t faults;
};

static pid_t spawn(char **arguments, char **environment)
{
    pid_t child;
    errno = posix_spawnp(&child, arguments[0], NULL, NULL, arguments, environment);
    if (errno != 0)
        bench_fail("load: posix_spawnp");
    return child;
}

static struct cost run_true(char **environment)
{
    char *arguments[] = {"true", NULL};
    struct rusage usage;
    pid_t child = spawn(arguments, environment);
    int status;
    if (wait4(child, &status, 0, &usage) != child || status != 0)
        bench_fail("load: true did not succeed");
    return (struct cost){microseconds(usage.ru_utime) + microseconds(usage.ru_stime), usage.ru_minflt};
}

/* Runs a program that sleeps, in this environment, and returns its resident memory in KiB. The program gets a tenth of
 * a second to start. */
static int64_t resident(char **environment)
{
    char *arguments[] = {"sleep", "60", NULL};
    pid_t child = spawn(arguments, environment);
    char path[64];
    char line[256];
    long kibibytes = -1;
    usleep(100000);
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)child);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL && sscanf(line, "Rss: %ld", &kibibytes) != 1) {
    }
    if (file == NULL || kibibytes < 0)
        bench_fail("load: smaps_rollup of a sleeping program");
    fclose(file);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return kibibytes;
}

static int compare(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left;
    int64_t b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static int64_t quantile(int64_t values[RUNS], unsigned index)
{
    qsort(values, RUNS, sizeof values[0], compare);
    return values[index];
}

void row_load(const char *argument)
{
    int64_t times[2][RUNS];
    int64_t faults[2][RUNS];
    int length = snprintf(preload, sizeof preload, "LD_PRELOAD=%s", argument);
    if (length < 0 || (size_t)length >= sizeof preload)
        bench_fail("load: the library's path is too long");
    char **other = strcmp(argument, "-") == 0 ? without : with;
    for (unsigned i = 0; i < RUNS; i++) {
        for (unsigned loaded = 0; loaded < 2; loaded++) {
            struct cost cost = run_true(loaded ? other : without);
            times[loaded][i] = cost.time;
            faults[loaded][i] = cost.faults;
        }
    }
    int64_t time = quantile(times[1], RUNS / 4) - quantile(times[0], RUNS / 4);
    bench_report("load", (double)time / 1e3, "ms");
    bench_report("load.faults", (double)(quantile(faults[1], RUNS / 2) - quantile(faults[0], RUNS / 2)), "faults");
    bench_report("load.rss", (double)(resident(other) - resident(without)), "KiB");
}
