/* The background thread: it purges free slots, that is, gives their pages back to the kernel, while the program itself
 * makes no calls of malloc and free. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "pool/background.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "os/os_file.h"
#include "os/os_process.h"
#include "os/sandbox.h"

/*
 * The states of the background thread. NONE: it does not exist. MAKING: it is being created. AT_WORK: it runs. DOZING:
 * it sleeps for a fixed time. ASLEEP: it sleeps until background_call wakes it. REFUSED: it could not be created, and
 * no other attempt is made.
 */
enum { NONE, MAKING, AT_WORK, DOZING, ASLEEP, REFUSED };

enum { STACK_SIZE = 64 << 10, NAPS_UNTIL_ASLEEP = 48, MORE_MILLISECONDS = 4, LAST_MILLISECONDS = 100 };

static const uint64_t nanoseconds_a_millisecond = 1000000;

struct background background;
static background_work *background_do;
static uint64_t background_nap;
static background_creator *background_create_thread;
static _Atomic bool main_has_begun;
static _Atomic pid_t process;
static pthread_key_t first_thread;
static _Atomic bool first_thread_is_gone;

static void background_wake(void)
{
    uint32_t asleep = ASLEEP;
    if (atomic_compare_exchange_strong(&background.state, &asleep, AT_WORK)) {
        os_wake(&background.state);
    }
}

/* Runs when the first thread of the process ends by pthread_exit. From then on the process lives only as long as other
 * threads do, and the background thread must not keep the process alive. */
static void background_first_ends(void *unused)
{
    (void)unused;
    atomic_store(&first_thread_is_gone, true);
    /* if the background thread is just about to sleep, it stays awake because of this store: background_wait loads
     * `called` before it sleeps */
    atomic_store(&background.called, true);
    background_wake();
}

/* Makes libc call background_first_ends when the calling thread ends: sets the thread's value of the key whose
 * destructor is background_first_ends. Any value but NULL would do. */
static void background_watch_first(void)
{
    pthread_setspecific(first_thread, &background);
}

COLD void background_open(bool wanted, uint64_t nap, background_work *work, background_creator *create)
{
    background_create_thread = create;
    background_do = work;
    background_nap = nap;
    atomic_store(&process, os_process());
    background.wanted = wanted && create != NULL && pthread_key_create(&first_thread, background_first_ends) == 0;
    if (background.wanted) {
        background_watch_first();
    }
}

/*
 * Returns true if the process has only two threads left: its first thread, which has ended, and this one.
 * /proc/self/stat shows this: its third word is the state of the first thread, and its twentieth word is the number of
 * threads. The search starts after the second word, the program's name in parentheses, because this name may contain
 * blanks.
 */
static bool background_is_last(void)
{
    char line[1024];
    os_read_file("/proc/self/stat", line, sizeof line);
    const char *word = strrchr(line, ')');
    if (word == NULL || word[1] != ' ' || word[2] != 'Z') {
        return false;
    }
    for (unsigned i = 2; i < 20; i++) {
        word = strchr(word + 1, ' ');
        if (word == NULL) {
            return false;
        }
    }
    return strncmp(word, " 2 ", 3) == 0;
}

/*
 * Returns true if the background thread has to end because it would otherwise keep the process alive alone. If a
 * seccomp filter may forbid reading /proc, the function returns true as soon as the first thread has ended, even if
 * other threads still run.
 */
static bool background_is_over(void)
{
    return atomic_load(&first_thread_is_gone) && (!sandbox_allows(SANDBOX_COMMON) || background_is_last());
}

/* Sleeps for `nanoseconds`. `state` is the state of the thread during the sleep. If it is ASLEEP, background_wake can
 * end the sleep earlier by changing the state. */
static void background_wait(uint32_t state, uint64_t nanoseconds)
{
    atomic_store(&background.state, state);
    /* No call of background_call is missed: it stores `called` before it loads the state, and here the state is stored
     * before `called` is loaded. */
    if (state != ASLEEP || !atomic_load(&background.called)) {
        os_wait(&background.state, state, nanoseconds);
    }
    atomic_store(&background.state, AT_WORK);
}

/*
 * Sleeps until the next step of purging. A nap is such a sleep of fixed length (`background_nap`). `idle` is how many
 * naps in a row have passed without a call of background_call; returns the new number. After NAPS_UNTIL_ASLEEP (48)
 * such naps, the thread sleeps until background_call wakes it. If the first thread of the process has ended, each sleep
 * lasts LAST_MILLISECONDS, because the background thread then has to notice soon that it is the last one. 48 naps are
 * three times the longest time for which a free slot keeps its pages. That time is 16 naps: four naps are the decay
 * time, and decay_learn can make the generations of free slots four times as long.
 */
static unsigned background_rest(unsigned idle)
{
    idle = atomic_exchange(&background.called, false) ? 0 : idle + 1;
    if (atomic_load(&first_thread_is_gone)) {
        background_wait(DOZING, LAST_MILLISECONDS * nanoseconds_a_millisecond);
    } else if (idle < NAPS_UNTIL_ASLEEP) {
        background_wait(DOZING, background_nap);
    } else {
        background_wait(ASLEEP, UINT64_MAX);
    }
    return idle;
}

static void *background_run(void *unused)
{
    unsigned idle = 0;
    os_name_thread("sockmalloc");
    while (!background_is_over()) {
        if (background_do()) {
            background_wait(DOZING, MORE_MILLISECONDS * nanoseconds_a_millisecond);
        } else {
            idle = background_rest(idle);
        }
    }
    return unused; /* if this was the last thread, the process ends with status 0 */
}

/* Blocks all signals in the new thread from its first instruction on. If pthread_attr_setsigmask_np exists, the calling
 * thread need not block signals for this, so a signal can still end the program if the creation of the thread hangs. */
#if HAVE_PTHREAD_ATTR_SETSIGMASK_NP
static bool background_start(pthread_attr_t *attributes)
{
    pthread_t thread;
    sigset_t all;
    sigfillset(&all);
    return pthread_attr_setsigmask_np(attributes, &all) == 0 &&
           background_create_thread(&thread, attributes, background_run, NULL) == 0;
}
#else
static bool background_start(pthread_attr_t *attributes)
{
    pthread_t thread;
    sigset_t all;
    sigset_t former;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &former) != 0) {
        return false;
    }
    bool made = background_create_thread(&thread, attributes, background_run, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    return made;
}
#endif

/* Creates the background thread, detached and with a small stack. Returns false if that fails. */
static bool background_create(void)
{
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) {
        return false;
    }
    size_t size = STACK_SIZE + (size_t)PTHREAD_STACK_MIN;
    bool made = pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0 &&
                pthread_attr_setstacksize(&attributes, size) == 0 && background_start(&attributes);
    pthread_attr_destroy(&attributes);
    return made;
}

static void background_make(void)
{
    int kept = errno;
    if (!background_create()) {
        /* makes no other attempt to create the thread; the program's own threads still purge, in some of their frees */
        atomic_store(&background.state, REFUSED);
    }
    errno = kept;
}

COLD void background_begin(void)
{
    uint32_t none = NONE;
    atomic_store(&main_has_begun, true);
    /*
     * checks the seccomp filter again, because a constructor of the program may have set one that forbids new threads
     */
    if (background.wanted && sandbox_allows(SANDBOX_COMMON) &&
        atomic_compare_exchange_strong(&background.state, &none, MAKING)) {
        background_make();
    }
}

/*
 * Returns true, and sets the state to MAKING, if the caller has to create the thread. Returns false before main begins,
 * if a seccomp filter may forbid new threads, and if the thread exists already. Also returns false in the child of
 * vfork, and in the child of a clone without fork handlers. Such a child may share its parent's memory, and with it the
 * state, so the parent would take the child's thread for its own.
 */
static bool background_may_make(void)
{
    uint32_t none = NONE;
    return atomic_load(&main_has_begun) && sandbox_allows(SANDBOX_COMMON) && os_process() == atomic_load(&process) &&
           atomic_compare_exchange_strong(&background.state, &none, MAKING);
}

OUT_OF_LINE void background_offer_slow(void)
{
    if (atomic_load(&background.state) == NONE && atomic_load(&background.called) && background_may_make()) {
        background_make();
    }
}

OUT_OF_LINE void background_call_slow(void)
{
    atomic_store(&background.called, true);
    if (atomic_load(&background.state) == ASLEEP) {
        background_wake();
    }
}

void background_after_fork(void)
{
    if (background.wanted) {
        atomic_store(&background.state, NONE);
        atomic_store(&background.called, false);
        atomic_store(&first_thread_is_gone, false);
        atomic_store(&process, sandbox_process());
        background_watch_first();
    }
}
