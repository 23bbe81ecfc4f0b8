/* Stands in for os/os.c in a test: calls for memory fail when the test says so. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/os_failing.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/os.h"
#include "os/os_file.h"
#include "os/os_process.h"
#include "os/os_processors.h"

static unsigned first_refused = UINT_MAX;
static unsigned last_refused = UINT_MAX;
static unsigned period;
static bool keeps_mapped;
static _Atomic(void (*)(void)) meanwhile;
static _Atomic(void (*)(void)) afterwards;
static _Atomic(void (*)(void)) at_look;
static _Atomic(void (*)(void)) at_discard;
static _Atomic unsigned calls;
static _Atomic unsigned refusals;
static _Atomic unsigned looks;
static _Atomic unsigned waits;
static _Atomic size_t held;

static void os_failing_begin(unsigned first, unsigned last, unsigned every)
{
    first_refused = first;
    last_refused = last;
    period = every;
    calls = 0;
    refusals = 0;
    looks = 0;
    waits = 0;
}

void os_failing_between(unsigned first, unsigned last)
{
    os_failing_begin(first, last, 0);
}

void os_failing_from(unsigned first)
{
    os_failing_begin(first, UINT_MAX, 0);
}

void os_failing_every(unsigned n)
{
    os_failing_begin(UINT_MAX, UINT_MAX, n);
}

void os_failing_never(void)
{
    os_failing_begin(UINT_MAX, UINT_MAX, 0);
}

void os_failing_keep_mapped(bool keeps)
{
    keeps_mapped = keeps;
}

void os_failing_meanwhile(void (*work)(void))
{
    meanwhile = work;
}

unsigned os_failing_calls(void)
{
    return calls;
}

unsigned os_failing_refusals(void)
{
    return refusals;
}

void os_failing_afterwards(void (*work)(void))
{
    afterwards = work;
}

void os_failing_at_look(void (*work)(void))
{
    at_look = work;
}

void os_failing_at_discard(void (*work)(void))
{
    at_discard = work;
}

unsigned os_failing_waits(void)
{
    return waits;
}

unsigned os_failing_looks(void)
{
    return looks;
}

size_t os_failing_held(void)
{
    return held;
}

static bool os_refuses(void)
{
    unsigned call = atomic_fetch_add(&calls, 1) + 1;
    bool refused = (call >= first_refused && call <= last_refused) || (period != 0 && call % period == 0);
    refusals += refused;
    return refused;
}

size_t os_page_size(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

size_t os_round_to_pages(size_t size)
{
    return (size + os_page_size() - 1) / os_page_size() * os_page_size();
}

static char *os_mmap(char *start, size_t size, int protection, int flags)
{
    void *place = mmap(start, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
    if (place == MAP_FAILED) {
        return NULL;
    }
    held += size;
    return place;
}

bool os_claim(char *start, size_t size)
{
    return !os_refuses() && os_mmap(start, size, PROT_READ | PROT_WRITE, MAP_FIXED_NOREPLACE) != NULL;
}

static void os_run_once(_Atomic(void (*)(void)) *chosen)
{
    void (*work)(void) = atomic_exchange(chosen, NULL);
    if (work != NULL) {
        work();
    }
}

static void os_let_others_work(void)
{
    os_run_once(&meanwhile);
}

bool os_extend(char *end, size_t size)
{
    os_let_others_work();
    size_t page = os_page_size();
    if (os_refuses() || mremap(end - page, page, page + size, 0) == MAP_FAILED) {
        return false;
    }
    held += size;
    os_run_once(&afterwards);
    return true;
}

bool os_is_mapped(char *page)
{
    os_run_once(&at_look);
    return madvise(page, os_page_size(), MADV_NORMAL) == 0;
}

bool os_is_free(char *start, size_t size)
{
    char *place = os_refuses() ? NULL : os_mmap(start, size, PROT_NONE, MAP_FIXED_NOREPLACE);
    return place != NULL && os_release(place, size);
}

char *os_find_free(size_t size)
{
    char *place = os_refuses() ? NULL : os_mmap(NULL, size, PROT_NONE, 0);
    return place != NULL && os_release(place, size) ? place : NULL;
}

char *os_map(size_t size)
{
    os_let_others_work();
    return os_refuses() ? NULL : os_mmap(NULL, size, PROT_READ | PROT_WRITE, 0);
}

bool os_grow(char *start, size_t size, size_t wanted)
{
    if (os_refuses() || mremap(start, size, wanted, 0) == MAP_FAILED) {
        return false;
    }
    held += wanted - size;
    return true;
}

char *os_move(char *start, size_t size, size_t wanted)
{
    char *place = os_refuses() ? MAP_FAILED : mremap(start, size, wanted, MREMAP_MAYMOVE);
    held += place != MAP_FAILED ? wanted - size : 0;
    return place != MAP_FAILED ? place : NULL;
}

char *os_take_pages(char *start, size_t size)
{
    char *place = os_refuses() ? MAP_FAILED : mremap(start, size, size, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
    held += place != MAP_FAILED ? size : 0;
    return place != MAP_FAILED ? place : NULL;
}

char *os_break(void)
{
    return sbrk(0);
}

bool os_freeze(void *object, size_t size)
{
    return mprotect(object, size, PROT_READ) == 0;
}

bool os_thaw(void *object, size_t size)
{
    return mprotect(object, size, PROT_READ | PROT_WRITE) == 0;
}

bool os_discard(char *start, size_t size)
{
    os_run_once(&at_discard);
    return !os_refuses() && madvise(start, size, MADV_DONTNEED) == 0;
}

bool os_discards_together(void)
{
    return true;
}

/* Discards the ranges one after the other, until the simulated kernel refuses one. Returns how many ranges were
 * discarded. */
size_t os_discard_together(const struct span *ranges, size_t count)
{
    size_t gone = 0;
    while (gone < count && os_discard(ranges[gone].start, ranges[gone].size)) {
        gone++;
    }
    return gone;
}

bool os_populate(char *start, size_t size)
{
    return !os_refuses() && madvise(start, size, MADV_POPULATE_WRITE) == 0;
}

bool os_release(char *start, size_t size)
{
    os_let_others_work();
    if (keeps_mapped) {
        refusals++;
        return false;
    }
    held -= size;
    return munmap(start, size) == 0;
}

/* Does nothing: the library calls os_copy only to read loaded objects (os/image.c), and no test with this file does
 * that. */
bool os_copy(void *target, const void *source, size_t size)
{
    (void)target;
    (void)source;
    (void)size;
    return false;
}

void os_add_filter(void)
{
}

void os_drop_filter(void)
{
}

bool os_is_filtered(void)
{
    return true;
}

/* Does nothing. The library calls this function to find out if the kernel reports success for a discard and still keeps
 * the content of the pages. The simulated kernel never does so: it refuses a discard with an error. */
void os_try_discard(void *page)
{
    (void)page;
}

bool os_discard_clears(void)
{
    return true;
}

pid_t os_thread(void)
{
    return gettid();
}

/* Does nothing, because huge pages make no difference to these tests. */
void os_choose_huge(char *start, size_t size, bool wanted)
{
    (void)start;
    (void)size;
    (void)wanted;
}

/* Acts as if the file could not be read. */
void os_read_file(const char *path, char *text, size_t size)
{
    (void)path;
    (void)size;
    text[0] = '\0';
}

/* A wait without a time limit, which only locks make, is done by the kernel. A wait with a limit is counted and calls
 * sched_yield, because in a test with this file nothing would wake the thread. */
void os_wait(_Atomic uint32_t *word, uint32_t value, uint64_t nanoseconds)
{
    if (nanoseconds == UINT64_MAX) {
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL);
        return;
    }
    atomic_fetch_add(&waits, 1);
    sched_yield();
}

void os_wake(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX);
}

void os_wake_one(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1);
}

int os_wait_shared(_Atomic uint32_t *word, uint32_t value, const struct timespec *deadline)
{
    long result = syscall(SYS_futex, word, FUTEX_WAIT_BITSET, value, deadline, NULL, FUTEX_BITSET_MATCH_ANY);
    return result < 0 && errno != EAGAIN ? errno : 0;
}

void os_wake_shared(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX);
}

void os_name_thread(const char *name)
{
    (void)name;
}

/* Asks the kernel by mincore. os_failing_looks counts this call. The call is never refused, and does not count among
 * the calls that can be refused. */
bool os_residency(const char *start, size_t size, unsigned char *pages)
{
    atomic_fetch_add(&looks, 1);
    return mincore((void *)(uintptr_t)start, size, pages) == 0;
}

void os_name(char *start, size_t size, const char *name)
{
    (void)start;
    (void)size;
    (void)name;
}

size_t os_charge_limit(void)
{
    return SIZE_MAX;
}

/* Returns 2, because the records of two processors do not fit on the first page of the table of records. So the
 * table must grow. */
unsigned os_processors(void)
{
    return 2;
}

unsigned os_usable_processors(void)
{
    return os_processors();
}

bool os_has_threads(void)
{
    return true;
}

int os_open(const char *path, int flags, unsigned mode)
{
    int file = open(path, flags, mode);
    return file >= 0 ? file : -errno;
}

void os_close(int file)
{
    close(file);
}

ssize_t os_read(int file, void *bytes, size_t size)
{
    ssize_t length = read(file, bytes, size);
    return length >= 0 ? length : -errno;
}

ssize_t os_write(int file, const void *bytes, size_t size)
{
    ssize_t length = write(file, bytes, size);
    return length >= 0 ? length : -errno;
}

bool os_await_writable(int file, int milliseconds)
{
    (void)file;
    (void)milliseconds;
    return true;
}

int os_status(int file, struct stat *status)
{
    return fstat(file, status) == 0 ? 0 : -errno;
}

int os_status_at(const char *path, struct stat *status, bool follow)
{
    return (follow ? stat(path, status) : lstat(path, status)) == 0 ? 0 : -errno;
}

bool os_truncate(int file)
{
    return ftruncate(file, 0) == 0;
}

bool os_rename(const char *from, const char *to)
{
    return rename(from, to) == 0;
}

void os_unlink(const char *path)
{
    unlink(path);
}

bool os_lock_file(int file)
{
    return flock(file, LOCK_EX | LOCK_NB) == 0;
}

pid_t os_process(void)
{
    return getpid();
}

pid_t os_parent(void)
{
    return getppid();
}

uid_t os_user(void)
{
    return geteuid();
}

size_t os_limit(int resource)
{
    (void)resource;
    return SIZE_MAX;
}

void os_pending_signals(sigset_t *signals)
{
    sigpending(signals);
}

void os_block_signals(const sigset_t *signals, sigset_t *former)
{
    pthread_sigmask(SIG_BLOCK, signals, former);
}

void os_restore_signals(const sigset_t *former)
{
    pthread_sigmask(SIG_SETMASK, former, NULL);
}

void os_take_signal(const sigset_t *signals)
{
    (void)signals;
}
