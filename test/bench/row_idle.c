/* Measures the row `idle`: how soon the memory of a burst is given back while the program waits for events. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The program writes to 300 MiB of blocks of one size, frees them in random order, and waits in epoll_wait. 1.25 s
 * after the last free, one second after the default decay time of SOCKMALLOC_DECAY_MS, the row reads how much resident
 * memory the program has beyond what it had before the burst.
 *
 * Three more bursts follow, of which every fourth block stays live. After each of these bursts the row measures how
 * much later the program sees an event because memory is given back meanwhile. Another thread sends events at random
 * times; each event carries the processor time that the waiting thread had used when the event was sent. When
 * epoll_wait returns, the waiting thread subtracts this figure from the processor time that it has used by then. Of
 * each burst, the longest such difference counts. The row reports the median of the three longest differences, because
 * a virtual machine may lose its processor for a moment, and also the largest of the three.
 */
#include "bench.h"
#include "clock.h"
#include "memory.h"
#include "processor.h"
#include "scatter.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    BURSTS = 3,
    WAIT_MILLISECONDS = 1250,
    PAUSE_NANOSECONDS = 300000, /* the longest pause between two events, in nanoseconds */
    /* if sending an event took longer than this, in nanoseconds, the event does not count */
    PROMPT_NANOSECONDS = 50000,
    MOST_EVENTS = 1 << 15,
};

static void *block[SCATTER_BLOCKS];
/* the state of the random generator that chooses the pauses between events */
static uint64_t pauses = 88172645463325252;

/* The events after one burst. The thread that sends an event sets its `used` and `prompt`, and the waiting thread sets
 * its `late`. */
static struct event {
    int64_t used; /* the processor time, in nanoseconds, that the waiting thread had used when the event was sent */
    /* the processor time, in nanoseconds, that the waiting thread used between the sending of the event and the return
     * of epoll_wait with it; 0 if the waiting thread read this event together with an earlier one */
    int64_t late;
    /* false if the sending thread may have lost its processor between reading `used` and sending, so that `used` may be
     * too small */
    bool prompt;
} sent[MOST_EVENTS];

/* The arguments of the thread that sends events. */
struct event_source {
    int file;
    clockid_t waiter; /* the clock of the waiting thread's processor time */
    int64_t end;
};

static void *send_events(void *argument)
{
    const struct event_source *source = argument;
    processor_pin(1);
    for (uint32_t number = 0; number < MOST_EVENTS && clock_wall() < source->end; number++) {
        int64_t next = clock_wall() + (int64_t)scatter_random(&pauses, PAUSE_NANOSECONDS);
        int64_t start = next;
        while (start <= next)
            start = clock_wall();
        sent[number].used = clock_read(source->waiter);
        if (write(source->file, &number, sizeof number) != sizeof number)
            bench_fail("idle: write");
        sent[number].prompt = clock_wall() - start < PROMPT_NANOSECONDS;
    }
    return NULL;
}

/* Waits for events until the time `end`, and sets their `late`. If several events are pending at the same time, sets
 * `late` only for the first of them. */
static void wait_until(int events, int file, int64_t end)
{
    uint32_t number[64];
    for (int64_t left; (left = end - clock_wall()) > 0;) {
        struct epoll_event event;
        int ready = epoll_wait(events, &event, 1, (int)(left / 1000000 + 1));
        int64_t now = clock_busy();
        if (ready < 0 && errno != EINTR)
            bench_fail("idle: epoll_wait");
        if (ready > 0 && read(file, number, sizeof number) > 0)
            sent[number[0]].late = now - sent[number[0]].used;
    }
}

/* Returns the longest processor time, in nanoseconds, that the waiting thread has used between the sending of an event
 * and the return of epoll_wait. */
static int64_t wait_disturbed(int events, int file[2])
{
    int64_t most = 0;
    struct event_source source = {.file = file[1], .end = clock_wall() + (int64_t)WAIT_MILLISECONDS * 1000000};
    pthread_t thread;
    memset(sent, 0, sizeof sent);
    if (pthread_getcpuclockid(pthread_self(), &source.waiter) != 0 ||
        pthread_create(&thread, NULL, send_events, &source) != 0)
        bench_fail("idle: pthread_create");
    wait_until(events, file[0], source.end);
    pthread_join(thread, NULL);
    /* waits one millisecond more, so that the events that were sent last arrive too */
    wait_until(events, file[0], clock_wall() + 1000000);
    for (unsigned i = 0; i < MOST_EVENTS; i++) {
        if (sent[i].prompt && sent[i].late > most)
            most = sent[i].late;
    }
    return most;
}

static int compare(const void *one, const void *other)
{
    int64_t first = *(const int64_t *)one, second = *(const int64_t *)other;
    return (first > second) - (first < second);
}

void row_idle(const char *argument)
{
    char row[32], name[64];
    int64_t late[BURSTS];
    int file[2], events = epoll_create1(0);
    size_t kibibytes = bench_number(argument);
    size_t count = (size_t)SCATTER_MEBIBYTES * 1024 / kibibytes;
    struct epoll_event event = {.events = EPOLLIN};
    if (events < 0 || pipe(file) != 0 || epoll_ctl(events, EPOLL_CTL_ADD, file[0], &event) != 0)
        bench_fail("idle: epoll");
    processor_pin(0);
    bench_size_name(row, sizeof row, "idle", kibibytes);
    /*
     * writes to the array of addresses, so that its pages are resident before the burst and do not count as the burst's
     */
    memset(block, 0, sizeof block);
    double before = memory_resident("self");
    scatter(block, count, kibibytes * 1024, false);
    wait_until(events, file[0], clock_wall() + (int64_t)WAIT_MILLISECONDS * 1000000);
    double left = memory_resident("self") - before;
    for (unsigned i = 0; i < BURSTS; i++) {
        scatter(block, count, kibibytes * 1024, true);
        late[i] = wait_disturbed(events, file);
        for (size_t live = 0; live < count; live += SCATTER_KEPT)
            free(block[live]);
    }
    qsort(late, BURSTS, sizeof *late, compare);
    snprintf(name, sizeof name, "%s.left", row);
    bench_report(name, left, "MiB");
    snprintf(name, sizeof name, "%s.late", row);
    bench_report(name, (double)late[BURSTS / 2] / 1000, "us");
    snprintf(name, sizeof name, "%s.late.most", row);
    bench_report(name, (double)late[BURSTS - 1] / 1000, "us");
}
