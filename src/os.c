/* The kernel's calls: the one room that says mmap, mprotect and madvise. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#if HAVE_SYS_SINGLE_THREADED_H
#include <sys/single_threaded.h>
#endif

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif
#ifndef PR_SET_VMA_ANON_NAME
#define PR_SET_VMA_ANON_NAME 0
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum { NANOSECONDS_A_SECOND = 1000000000 };

size_t os_page_size(void)
{
    static _Atomic size_t known; /* zero until it was asked */
    size_t page = atomic_load_explicit(&known, memory_order_relaxed);
    if (page == 0) {
        page = (size_t)sysconf(_SC_PAGESIZE);
        atomic_store_explicit(&known, page, memory_order_relaxed);
    }
    return page;
}

size_t os_round_to_pages(size_t size)
{
    size_t page = os_page_size();
    return (size + page - 1) / page * page;
}

char *os_reserve(size_t size, char *wish)
{
    int kept = errno;
    void *start = mmap(wish, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    errno = kept;
    return start == MAP_FAILED ? NULL : start;
}

char *os_break(void)
{
    return sbrk(0);
}

static bool os_protect(char *start, size_t size, int protection)
{
    int kept = errno;
    bool done = mprotect(start, size, protection) == 0;
    errno = kept;
    return done;
}

bool os_permit_reading(char *start, size_t size)
{
    return os_protect(start, size, PROT_READ);
}

bool os_permit_writing(char *start, size_t size)
{
    return os_protect(start, size, PROT_READ | PROT_WRITE);
}

bool os_freeze(void *object, size_t size)
{
    size_t within = os_page_size() - 1;
    return (((uintptr_t)object | size) & within) == 0 && os_protect(object, size, PROT_READ);
}

bool os_discard(char *start, size_t size)
{
    int kept = errno;
    bool done = madvise(start, size, MADV_DONTNEED) == 0;
    errno = kept;
    return done;
}

bool os_populate(char *start, size_t size)
{
    static atomic_bool unknown; /* to this kernel: it is asked once */
    if (atomic_load_explicit(&unknown, memory_order_relaxed)) {
        return false;
    }
    int kept = errno;
    bool done = madvise(start, size, MADV_POPULATE_WRITE) == 0;
    if (!done && errno == EINVAL) {
        atomic_store_explicit(&unknown, true, memory_order_relaxed);
    }
    errno = kept;
    return done;
}

void os_choose_huge(char *start, size_t size, bool wanted)
{
    int kept = errno;
    madvise(start, size, wanted ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    errno = kept;
}

void os_release(char *start, size_t size)
{
    int kept = errno;
    munmap(start, size);
    errno = kept;
}

bool os_residency(const char *start, size_t size, unsigned char *pages)
{
    int kept = errno;
    /* The cast: mincore's prototype lacks a const that its man page would grant. */
    bool said = mincore((void *)(uintptr_t)start, size, pages) == 0;
    errno = kept;
    return said;
}

void os_name(char *start, size_t size, const char *name)
{
    static atomic_bool unknown; /* to this kernel: it is asked once, for a start costs a program */
    if (atomic_load_explicit(&unknown, memory_order_relaxed)) {
        return;
    }
    int kept = errno;
    if (prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, start, size, name) != 0 && errno == EINVAL) {
        atomic_store_explicit(&unknown, true, memory_order_relaxed);
    }
    errno = kept;
}

/* As if from another process: what is not mapped there is an error to who asks. */
bool os_copy(void *target, const void *source, size_t size)
{
    int kept = errno;
    struct iovec to = {.iov_base = target, .iov_len = size};
    struct iovec from = {.iov_base = (void *)(uintptr_t)source, .iov_len = size};
    ssize_t copied = process_vm_readv(getpid(), &to, 1, &from, 1, 0);
    errno = kept;
    return copied >= 0 && (size_t)copied == size;
}

bool os_is_filtered(void)
{
    int kept = errno;
    bool filtered = prctl(PR_GET_SECCOMP) == SECCOMP_MODE_FILTER;
    errno = kept;
    return filtered;
}

static size_t os_read_once(int file, char *buffer, size_t size)
{
    long length;
    do {
        length = syscall(SYS_read, file, buffer, size);
    } while (length < 0 && errno == EINTR);
    return length > 0 ? (size_t)length : 0;
}

void os_read_file(const char *path, char *text, size_t size)
{
    int kept = errno;
    size_t length = 0;
    int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file >= 0) {
        length = os_read_once(file, text, size - 1);
        syscall(SYS_close, file);
    }
    text[length] = '\0';
    errno = kept;
}

void os_wait(_Atomic uint32_t *word, uint32_t value, uint64_t nanoseconds)
{
    int kept = errno;
    struct timespec time = {.tv_sec = (time_t)(nanoseconds / NANOSECONDS_A_SECOND),
                            .tv_nsec = (long)(nanoseconds % NANOSECONDS_A_SECOND)};
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, nanoseconds == UINT64_MAX ? NULL : &time);
    errno = kept;
}

void os_wake(_Atomic uint32_t *word)
{
    int kept = errno;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX);
    errno = kept;
}

void os_name_thread(const char *name)
{
    int kept = errno;
    prctl(PR_SET_NAME, name);
    errno = kept;
}

/* The first number of /proc/self/statm is the size of the address space in pages; 0 if it cannot be
 * read. */
static size_t os_address_space_used(void)
{
    char digits[32];
    os_read_file("/proc/self/statm", digits, sizeof digits);
    size_t pages = 0;
    for (const char *digit = digits; *digit >= '0' && *digit <= '9'; digit++) {
        pages = pages * 10 + (size_t)(*digit - '0');
    }
    return pages * os_page_size();
}

size_t os_address_space_left(void)
{
    int kept = errno;
    struct rlimit limit;
    size_t left = SIZE_MAX;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
        size_t used = os_address_space_used();
        left = limit.rlim_cur > used ? (size_t)limit.rlim_cur - used : 0;
    }
    errno = kept;
    return left;
}

unsigned os_processors(void)
{
    static _Atomic unsigned known; /* zero until it was asked: that reads a file */
    unsigned count = atomic_load_explicit(&known, memory_order_relaxed);
    if (count == 0) {
        long said = sysconf(_SC_NPROCESSORS_CONF);
        count = said > 0 ? (unsigned)said : 1;
        atomic_store_explicit(&known, count, memory_order_relaxed);
    }
    return count;
}

#if HAVE_SYS_SINGLE_THREADED_H
bool os_has_threads(void)
{
    return !__libc_single_threaded;
}
#else
bool os_has_threads(void)
{
    return true;
}
#endif
