/* The benchmark program: runs one row with the allocator that is preloaded into the process. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * usage: LD_PRELOAD=ALLOCATOR bench ROW [ARGUMENT]
 *
 * A process runs a single row, so that the row does not begin with free memory that another row has left. The program
 * is linked with no allocator but libc's. Its rows call malloc, calloc, realloc and free; some of them call functions
 * of include/sockmalloc.h instead if sockmalloc is preloaded.
 */
#define _GNU_SOURCE
#include "bench.h"
#include "processor.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row {
    const char *name;
    void (*measure)(const char *argument);
    const char *argument;
    /* true if `main` must not pin the row to one processor, because the row has several threads, or pins itself */
    bool places_itself;
};

static const struct row rows[] = {
    {.name = "pair", .measure = row_pair, .argument = "KIBIBYTES"},
    {.name = "window", .measure = row_window, .argument = "LIVE-BUFFERS"},
    {.name = "mix", .measure = row_mix},
    {.name = "handoff", .measure = row_handoff, .argument = "PAIRS-OF-THREADS", .places_itself = true},
    {.name = "ring", .measure = row_ring, .places_itself = true},
    {.name = "relay", .measure = row_relay, .argument = "KIBIBYTES", .places_itself = true},
    {.name = "fixed", .measure = row_fixed, .argument = "BYTES.LIVE-BLOCKS"},
    {.name = "crowd", .measure = row_crowd, .places_itself = true},
    {.name = "conns", .measure = row_conns, .argument = "THREADS", .places_itself = true},
    {.name = "live", .measure = row_live, .argument = "LIVE-BUFFERS"},
    {.name = "burst", .measure = row_burst},
    {.name = "waves", .measure = row_waves, .argument = "MILLISECONDS.KIBIBYTES"},
    {.name = "idle", .measure = row_idle, .argument = "KIBIBYTES", .places_itself = true},
    {.name = "span", .measure = row_span},
    {.name = "grow", .measure = row_grow, .argument = "WAY.KIBIBYTES"},
    {.name = "drawn", .measure = row_drawn, .argument = "THREADS:LOW:HIGH:LIVE:PASSED", .places_itself = true},
    {.name = "great", .measure = row_great, .argument = "KIBIBYTES"},
    {.name = "cow", .measure = row_cow},
    {.name = "message", .measure = row_message, .argument = "SIZE.WAY", .places_itself = true},
    {.name = "small", .measure = row_small},
    {.name = "fresh", .measure = row_fresh, .argument = "KIBIBYTES"},
    {.name = "trim", .measure = row_trim, .argument = "KIBIBYTES"},
    {.name = "zeroed", .measure = row_zeroed, .argument = "KIBIBYTES"},
    {.name = "cleared", .measure = row_cleared, .argument = "KIBIBYTES"},
    {.name = "filled", .measure = row_filled, .argument = "KIBIBYTES"},
    {.name = "stall", .measure = row_stall},
    {.name = "discard", .measure = row_discard},
    {.name = "load", .measure = row_load, .argument = "LIBRARY"},
    {.name = "memory", .measure = row_memory, .argument = "PROCESS"},
};

enum { ROWS = sizeof rows / sizeof rows[0] };

void bench_report(const char *row, double value, const char *unit)
{
    printf("%s %.6g %s\n", row, value, unit);
}

void bench_fail(const char *what)
{
    const char *why = errno != 0 ? strerror(errno) : "cannot be done";
    fprintf(stderr, "bench: %s: %s\n", what, why);
    exit(1);
}

unsigned long bench_number(const char *text)
{
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number == 0) {
        errno = EINVAL;
        bench_fail(text);
    }
    return number;
}

void bench_size_name(char *name, size_t room, const char *row, size_t kibibytes)
{
    bool mebibytes = kibibytes % 1024 == 0;
    size_t number = mebibytes ? kibibytes / 1024 : kibibytes;
    snprintf(name, room, "%s.%zu%c", row, number, mebibytes ? 'm' : 'k');
}

/* Prints from which shared object the process has the function `name`. If the dynamic linker cannot open a preloaded
 * library, it only prints a line and goes on, so each run has to say whose malloc it has measured. */
static void report_origin(const char *name)
{
    Dl_info info;
    void *address = dlsym(RTLD_DEFAULT, name);
    if (address == NULL || dladdr(address, &info) == 0)
        bench_fail(name);
    printf("origin %s %s\n", name, info.dli_fname);
}

static int usage(void)
{
    fputs("usage: bench ROW [ARGUMENT]\nrows:\n", stderr);
    for (unsigned i = 0; i < ROWS; i++)
        fprintf(stderr, "  %s%s%s\n", rows[i].name, rows[i].argument ? " " : "",
                rows[i].argument ? rows[i].argument : "");
    return 2;
}

int main(int count, char **arguments)
{
    if (count < 2)
        return usage();
    for (unsigned i = 0; i < ROWS; i++) {
        if (strcmp(arguments[1], rows[i].name) != 0)
            continue;
        if (count != (rows[i].argument ? 3 : 2))
            return usage();
        if (!rows[i].places_itself)
            processor_pin(0);
        rows[i].measure(rows[i].argument ? arguments[2] : NULL);
        report_origin("malloc");
        report_origin("free");
        return fflush(stdout) == 0 ? 0 : 1;
    }
    return usage();
}
