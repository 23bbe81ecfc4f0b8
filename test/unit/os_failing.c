/* The os room with a kernel that refuses: linked in place of os.c, it fails at a test's wish. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "os_failing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os.h"

static unsigned first_refused = UINT_MAX;
static unsigned last_refused = UINT_MAX;
static unsigned period;
static _Atomic(void (*)(void)) meanwhile;
static _Atomic unsigned calls;
static _Atomic unsigned refusals;
static _Atomic unsigned looks;
static _Atomic size_t held;

static void os_failing_begin(unsigned first, unsigned last, unsigned every)
{
    first_refused = first;
    last_refused = last;
    period = every;
    calls = 0;
    refusals = 0;
    looks = 0;
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
    bool refused =
        (call >= first_refused && call <= last_refused) || (period != 0 && call % period == 0);
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

char *os_reserve(size_t size, char *wish)
{
    if (os_refuses()) {
        return NULL;
    }
    void *start = mmap(wish, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED) {
        return NULL;
    }
    held += size;
    return start;
}

char *os_break(void)
{
    return sbrk(0);
}

bool os_permit_reading(char *start, size_t size)
{
    return !os_refuses() && mprotect(start, size, PROT_READ) == 0;
}

bool os_permit_writing(char *start, size_t size)
{
    void (*work)(void) = atomic_exchange(&meanwhile, NULL);
    if (work != NULL) {
        work();
    }
    return !os_refuses() && mprotect(start, size, PROT_READ | PROT_WRITE) == 0;
}

bool os_discard(char *start, size_t size)
{
    return !os_refuses() && madvise(start, size, MADV_DONTNEED) == 0;
}

bool os_populate(char *start, size_t size)
{
    return !os_refuses() && madvise(start, size, MADV_POPULATE_WRITE) == 0;
}

void os_release(char *start, size_t size)
{
    munmap(start, size);
    held -= size;
}

/* What only reports ask: no test with this room looks at it. */
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

/* A kernel that refuses what it does not do. */
void os_try_discard(void)
{
}

bool os_discard_clears(void)
{
    return true;
}

pid_t os_thread(void)
{
    return gettid();
}

/* A wish, of which nothing hangs. */
void os_choose_huge(char *start, size_t size, bool wanted)
{
    (void)start;
    (void)size;
    (void)wanted;
}

/* No file can be read. */
void os_read_file(const char *path, char *text, size_t size)
{
    (void)path;
    (void)size;
    text[0] = '\0';
}

/* Nobody waits in a test with this room. */
void os_wait(_Atomic uint32_t *word, uint32_t value, uint64_t nanoseconds)
{
    (void)word;
    (void)value;
    (void)nanoseconds;
}

void os_wake(_Atomic uint32_t *word)
{
    (void)word;
}

void os_name_thread(const char *name)
{
    (void)name;
}

/* Never refused, and not among the calls that are. */
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

size_t os_address_space_left(void)
{
    return SIZE_MAX;
}

unsigned os_processors(void)
{
    return 1;
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

void os_take_signal(const sigset_t *signals)
{
    (void)signals;
}
