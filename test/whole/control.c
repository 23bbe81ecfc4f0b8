/* These cases test the functions of sockmalloc.h in a program that is not linked with the library; it finds them
 * because the library is preloaded. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sockmalloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "outside.h"
#include "pools.h"

/* These functions are declared weak, as the header advises, so that the program also links and runs without the
 * library. */
#pragma weak sockmalloc_version
#pragma weak sockmalloc_active
#pragma weak sockmalloc_configuration
#pragma weak sockmalloc_statistic
#pragma weak sockmalloc_owns
#pragma weak sockmalloc_capacity
#pragma weak sockmalloc_trim
#pragma weak sockmalloc_dump

enum { MARK = 1234 };

CASE(version)
{
    CHECK(sockmalloc_version != NULL);
    unsigned dots = 0;
    for (const char *at = sockmalloc_version(); *at != '\0'; at++) {
        CHECK((*at >= '0' && *at <= '9') || *at == '.');
        dots += *at == '.';
    }
    CHECK_EQUAL(dots, 2);
    CHECK_EQUAL(sockmalloc_active(), 1);
}

/* sockmalloc_configuration cuts its text so that it fits a buffer of any length, and always ends it with NUL. */
CASE(configuration)
{
    char whole[4096];
    char part[4096];
    size_t length = sockmalloc_configuration(whole, sizeof whole);
    CHECK_EQUAL(strlen(whole), length);
    CHECK(strncmp(whole, "SOCKMALLOC_MIN=4k SOCKMALLOC_MAX=4m ", 36) == 0);
    for (size_t size = 1; size <= length + 2; size++) {
        memset(part, 'x', sizeof part);
        size_t written = sockmalloc_configuration(part, size);
        CHECK_EQUAL(written, size - 1 < length ? size - 1 : length);
        CHECK(memcmp(part, whole, written) == 0 && part[written] == '\0');
        CHECK(part[size] == 'x');
    }
}

CASE(statistics_by_name)
{
    static const char *const columns[] = {"live",
                                          "cached",
                                          "depot",
                                          "purged",
                                          "carved",
                                          "peak",
                                          "requests",
                                          "asked",
                                          "resident",
                                          "resident_live",
                                          "resident_free",
                                          "resident_purged",
                                          "cache_hits",
                                          "depot_hits",
                                          "swaps",
                                          "fell_through",
                                          "fell_through_asked"};
    CHECK(check_hide(malloc(20000)) != NULL); /* so that the figures are not all 0 */
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        uint64_t sum = 0;
        for (unsigned bucket = 0; bucket < POOLS_BUCKETS; bucket++) {
            sum += pools_bucket_figure(bucket, columns[i]);
        }
        CHECK_EQUAL(pools_figure(columns[i]), sum);
    }
    static const char *const unknown[] = {"",         "Live",    "live ",  "16k.",       ".live",        "16k",
                                          "17k.live", "8m.live", "16k.no", "cache-hits", "16k.live.live"};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        uint64_t value = MARK;
        CHECK_EQUAL(sockmalloc_statistic(unknown[i], &value), -1);
        CHECK_EQUAL(value, MARK);
    }
}

static uint64_t figure_in_handler;

static void read_figure(int signal_number)
{
    (void)signal_number;
    CHECK_EQUAL(sockmalloc_statistic("live", &figure_in_handler), 0);
}

/* The handler has an alternate stack with 6 KiB beside the signal frame, and an inaccessible page lies below it. */
CASE(figure_in_a_handler)
{
    enum { ROOM = 6144 };
    size_t page = (size_t)getpagesize();
    size_t size = ((size_t)sysconf(_SC_MINSIGSTKSZ) + ROOM + page - 1) / page * page;
    size_t used = (size_t)sysconf(_SC_MINSIGSTKSZ) + ROOM;
    char *mapped = mmap(NULL, page + size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(mapped != MAP_FAILED);
    CHECK_EQUAL(mprotect(mapped + page, size, PROT_READ | PROT_WRITE), 0);
    CHECK_EQUAL(sigaltstack(&(stack_t){.ss_sp = mapped + page, .ss_size = used}, NULL), 0);
    CHECK_EQUAL(sigaction(SIGUSR2, &(struct sigaction){.sa_handler = read_figure, .sa_flags = SA_ONSTACK}, NULL), 0);
    free(check_hide(malloc(20000)));
    CHECK(check_hide(malloc(20000)) != NULL);
    CHECK_EQUAL(raise(SIGUSR2), 0);
    CHECK_EQUAL(figure_in_handler, 1);
}

CASE(owns_and_capacity)
{
    int local = 0;
    char *small = malloc(100);
    char *block = malloc(20000);
    CHECK_EQUAL(sockmalloc_owns(block), 1);
    CHECK_EQUAL(sockmalloc_owns(block + 19999), 1);
    CHECK_EQUAL(sockmalloc_owns(small), 0);
    CHECK_EQUAL(sockmalloc_owns(&local), 0);
    CHECK_EQUAL(sockmalloc_owns(NULL), 0);
    CHECK_EQUAL(sockmalloc_owns((void *)UINTPTR_MAX), 0);
    CHECK_EQUAL(sockmalloc_capacity(block), 20480);
    CHECK_EQUAL(sockmalloc_capacity(small), 0);
    CHECK_EQUAL(sockmalloc_capacity(NULL), 0);
    free(block);
    CHECK_EQUAL(sockmalloc_capacity(check_hide(block)), 20480);
    free(small);
}

CASE(trim_to_a_limit)
{
    enum { BLOCKS = 8, SIZE = 1 << 20, SLOT = SIZE + POOLS_HEADROOM };
    char *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(SIZE);
        memset(blocks[i], 1, SIZE);
    }
    for (int i = 0; i < BLOCKS; i++) {
        free(blocks[i]);
    }
    errno = MARK;
    CHECK_EQUAL(sockmalloc_trim(0), 0);
    CHECK_EQUAL(pools_figure("1m.purged"), 0);
    CHECK_EQUAL(sockmalloc_trim((size_t)2 * SLOT), (uint64_t)2 * SLOT);
    CHECK_EQUAL(pools_figure("1m.purged"), 2);
    CHECK_EQUAL(sockmalloc_trim(SIZE_MAX), (uint64_t)(BLOCKS - 2) * SLOT);
    CHECK_EQUAL(pools_figure("1m.purged"), BLOCKS);
    CHECK_EQUAL(pools_figure("1m.resident"), 0);
    CHECK_EQUAL(sockmalloc_trim(SIZE_MAX), 0);
    CHECK_EQUAL(errno, MARK);
    pools_check_ledger();
}

CASE(dump_to_a_descriptor)
{
    char text[16384];
    int file = memfd_create("dump", MFD_CLOEXEC);
    CHECK(file >= 0);
    errno = MARK;
    CHECK_EQUAL(sockmalloc_dump(file), 0);
    CHECK_EQUAL(sockmalloc_dump(-1), -1);
    int reading = open("/dev/null", O_RDONLY | O_CLOEXEC);
    errno = MARK;
    CHECK_EQUAL(sockmalloc_dump(reading), -1);
    CHECK_EQUAL(errno, MARK);
    ssize_t length = pread(file, text, sizeof text - 1, 0);
    CHECK(length > 0);
    text[length] = '\0';
    CHECK(strncmp(text, "sockmalloc ", 11) == 0);
    CHECK(strstr(text, ": statistics of control, process ") != NULL);
    char *end = strstr(text, "\nend of statistics of process ");
    CHECK(end != NULL && strchr(end + 1, '\n') == text + length - 1);
}

static int full_pipe[2];
static atomic_int dumping_thread;

static void *dump_into_full_pipe(void *unused)
{
    atomic_store(&dumping_thread, gettid());
    CHECK_EQUAL(sockmalloc_dump(full_pipe[1]), 0);
    return unused;
}

static void fill_pipe(void)
{
    static const char bytes[4096];
    CHECK_EQUAL(pipe2(full_pipe, O_NONBLOCK | O_CLOEXEC), 0);
    while (write(full_pipe[1], bytes, sizeof bytes) > 0) {
    }
    CHECK_EQUAL(errno, EAGAIN);
    CHECK_EQUAL(fcntl(full_pipe[1], F_SETFL, 0), 0);
}

/* While one thread writes a dump, the library drops dumps that other threads request. A fork child can write a dump of
 * its own meanwhile. */
CASE(child_dumps_while_a_thread_does)
{
    enum { ENOUGH_READS = 8 };
    char bytes[4096];
    pthread_t thread;
    int file = memfd_create("dump", MFD_CLOEXEC);
    CHECK(file >= 0);
    fill_pipe();
    CHECK_EQUAL(pthread_create(&thread, NULL, dump_into_full_pipe, NULL), 0);
    while (atomic_load(&dumping_thread) == 0) {
        sched_yield();
    }
    outside_await_sleep(atomic_load(&dumping_thread));
    CHECK_EQUAL(sockmalloc_dump(file), -1);
    if (check_is_child()) {
        CHECK_EQUAL(sockmalloc_dump(file), 0);
        _exit(EXIT_SUCCESS);
    }
    for (int i = 0; i < ENOUGH_READS; i++) {
        CHECK_EQUAL(read(full_pipe[0], bytes, sizeof bytes), sizeof bytes);
    }
    CHECK_EQUAL(pthread_join(thread, NULL), 0);
    CHECK_EQUAL(sockmalloc_dump(file), 0);
}
