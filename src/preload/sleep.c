/* Finds libc's own waiting functions, converts timeouts, and divides a wait into pieces, between which free memory is
 * purged. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "preload/sleep.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/attributes.h"
#include "os/sandbox.h"
#include "pool/pool_atfork.h"

static const char *const sleep_names[SLEEP_COUNT] = {
#define SLEEP_TEXT(name, type) #name,
    SLEEP_FUNCTIONS(SLEEP_TEXT)
#undef SLEEP_TEXT
};

static _Atomic(void *) sleep_found[SLEEP_COUNT];

void *sleep_find(enum sleep_function function)
{
    void *found = atomic_load_explicit(&sleep_found[function], memory_order_relaxed);
    if (UNLIKELY(found == NULL)) {
        found = dlsym(RTLD_NEXT, sleep_names[function]);
        atomic_store_explicit(&sleep_found[function], found, memory_order_relaxed);
    }
    return found;
}

__attribute__((constructor)) static void sleep_find_all(void)
{
    for (unsigned function = 0; function < SLEEP_COUNT; function++) {
        sleep_find((enum sleep_function)function);
    }
}

int sleep_lacks(void)
{
    errno = ENOSYS;
    return -1;
}

uint64_t sleep_of_milliseconds(int milliseconds)
{
    return milliseconds < 0 ? POOL_SLEEP_NEVER : (uint64_t)milliseconds * SLEEP_MILLISECOND;
}

uint64_t sleep_of_timespec(const struct timespec *limit)
{
    if (limit == NULL || limit->tv_sec > (time_t)(UINT64_MAX / 2 / SLEEP_SECOND)) {
        return POOL_SLEEP_NEVER;
    }
    bool valid = limit->tv_sec >= 0 && limit->tv_nsec >= 0 && (uint64_t)limit->tv_nsec < SLEEP_SECOND;
    return valid ? (uint64_t)limit->tv_sec * SLEEP_SECOND + (uint64_t)limit->tv_nsec : 0;
}

int sleep_to_milliseconds(uint64_t limit)
{
    uint64_t rounded = limit / SLEEP_MILLISECOND + (limit % SLEEP_MILLISECOND != 0 ? 1 : 0);
    return limit == POOL_SLEEP_NEVER ? -1 : rounded < INT_MAX ? (int)rounded : INT_MAX;
}

struct timespec *sleep_to_timespec(uint64_t limit, struct timespec *room)
{
    *room = (struct timespec){(time_t)(limit / SLEEP_SECOND), (long)(limit % SLEEP_SECOND)};
    return limit == POOL_SLEEP_NEVER ? NULL : room;
}

static void sleep_block(sigset_t *former)
{
    static const int faults[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP};
    sigset_t all;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        sigdelset(&all, faults[i]);
    }
    pthread_sigmask(SIG_SETMASK, &all, former);
}

static void sleep_unblock(void *former)
{
    int kept = errno;
    pthread_sigmask(SIG_SETMASK, former, NULL);
    errno = kept;
}

/* Rounds a wait in nanoseconds up to whole milliseconds, because epoll_wait counts in milliseconds. */
static uint64_t sleep_round(uint64_t wait)
{
    return wait == POOL_SLEEP_NEVER ? wait : (wait + SLEEP_MILLISECOND - 1) / SLEEP_MILLISECOND * SLEEP_MILLISECOND;
}

static int sleep_under_mask(sleep_piece *piece, void *arguments, uint64_t limit, uint64_t wait, const sigset_t *mask)
{
    for (;;) {
        wait = sleep_round(wait);
        bool is_last = wait >= limit;
        int result = piece(arguments, is_last ? limit : wait, mask);
        if (result != 0 || is_last) {
            return result;
        }
        limit -= limit == POOL_SLEEP_NEVER ? 0 : wait;
        wait = pool_sleep_step();
    }
}

int sleep_in_pieces(sleep_piece *piece, void *arguments, uint64_t limit, uint64_t wait, const sigset_t *mask)
{
    int result;
    sigset_t former;
    sleep_block(&former);
    pthread_cleanup_push(sleep_unblock, &former);
    result = sleep_under_mask(piece, arguments, limit, wait, mask != NULL ? mask : &former);
    pthread_cleanup_pop(1);
    return result;
}

uint64_t sleep_before(uint64_t limit, bool watches)
{
    if (limit == 0 || !pool_has_recovered()) {
        return POOL_SLEEP_NEVER;
    }
    uint64_t wait = pool_sleep_limit(limit, watches);
    if (wait != POOL_SLEEP_NEVER && !sandbox_allows(SANDBOX_RARE)) {
        if (wait == 0) {
            pool_sleep_step_unblocked();
        }
        return POOL_SLEEP_NEVER;
    }
    return wait < limit ? wait : POOL_SLEEP_NEVER;
}
