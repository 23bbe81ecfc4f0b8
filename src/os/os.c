/* Makes system calls for memory. None of these functions is a cancellation point or changes errno. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/os.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/attributes.h"
#include "base/bounds.h"
#include "os/system_call.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif
#ifndef PR_SET_VMA_ANON_NAME
#define PR_SET_VMA_ANON_NAME 0
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MADV_COLD
#define MADV_COLD 20
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/*
 * How many seccomp filters the library knows of. If there is one, the library makes no system call that the filter
 * might forbid.
 */
static _Atomic unsigned filters;

void os_add_filter(void)
{
    atomic_fetch_add_explicit(&filters, 1, memory_order_relaxed);
}

void os_drop_filter(void)
{
    atomic_fetch_sub_explicit(&filters, 1, memory_order_relaxed);
}

bool os_is_filtered(void)
{
    return atomic_load_explicit(&filters, memory_order_relaxed) > 0;
}

/* Returns true if the result of a system call is an error: a number from -4095 to -1. No mapping begins at such an
 * address. */
static bool os_is_error(long result)
{
    enum { ERROR_LAST = 4095 };
    return result < 0 && result >= -ERROR_LAST;
}

size_t os_page_size(void)
{
    static _Atomic size_t known; /* the page size; zero until the first call */
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

bool os_release(char *start, size_t size)
{
    return system_call(SYS_munmap, start, size) == 0;
}

/* Returns the address of the new mapping, or the number of the error with a minus. */
static long os_call_mmap(char *start, size_t size, int protection, int flags)
{
    return system_call(SYS_mmap, start, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
}

/* Returns the address of the new mapping, or NULL. */
static char *os_mmap(char *start, size_t size, int protection, int flags)
{
    long place = os_call_mmap(start, size, protection, flags);
    return os_is_error(place) ? NULL : (char *)place;
}

/*
 * Maps a range at exactly the address `start`. Linux before 4.17 does not know MAP_FIXED_NOREPLACE and may map memory
 * at another address; this function then unmaps that memory.
 */
static bool os_map_at(char *start, size_t size, int protection)
{
    char *place = os_mmap(start, size, protection, MAP_FIXED_NOREPLACE);
    if (place != NULL && place != start) {
        os_release(place, size);
    }
    return place == start;
}

bool os_claim(char *start, size_t size)
{
    return os_map_at(start, size, PROT_READ | PROT_WRITE);
}

/*
 * First tries to grow the mapping in place. If this fails, as under valgrind and in some sandboxes, makes a new mapping
 * right after the old one. The new mapping has neither the name nor the advice (madvise) of the old one.
 */
bool os_extend(char *end, size_t size)
{
    size_t page = os_page_size();
    return !os_is_error(system_call(SYS_mremap, end - page, page, page + size, 0)) || os_claim(end, size);
}

/*
 * Gives the kernel the advice MADV_NORMAL for the page, because the kernel returns ENOMEM if nothing is mapped there.
 * If the page is mapped, the advice changes nothing, because mappings have MADV_NORMAL anyway.
 */
bool os_is_mapped(char *page)
{
    return system_call(SYS_madvise, page, os_page_size(), MADV_NORMAL) != -ENOMEM;
}

/* Tests if memory can be mapped at this range: maps the range and unmaps it again. Returns 0, or the number of the
 * error. */
static int os_try(char *start, size_t size)
{
    long place = os_call_mmap(start, size, PROT_NONE, MAP_FIXED_NOREPLACE);
    if (os_is_error(place)) {
        return (int)-place;
    }
    os_release((char *)place, size);
    return (char *)place == start ? 0 : EEXIST;
}

/*
 * The kernel returns ENOMEM both for a range that is longer than a limit allows and for a range that ends beyond the
 * last address of the machine. So after ENOMEM the function tries only the first and the last page. A single page
 * exceeds no limit, so this shows if both ends of the range can be mapped.
 */
bool os_is_free(char *start, size_t size)
{
    size_t page = os_page_size();
    int error = os_try(start, size);
    if (error == ENOMEM) {
        error = os_try(start, page) == 0 ? os_try(start + size - page, page) : ENOMEM;
    }
    return error == 0;
}

char *os_find_free(size_t size)
{
    char *place = os_mmap(NULL, size, PROT_NONE, 0);
    if (place != NULL) {
        os_release(place, size);
    }
    return place;
}

char *os_map(size_t size)
{
    return os_mmap(NULL, size, PROT_READ | PROT_WRITE, 0);
}

bool os_grow(char *start, size_t size, size_t wanted)
{
    return !os_is_error(system_call(SYS_mremap, start, size, wanted, 0));
}

/* Returns the address to which mremap has moved a mapping, or NULL if the kernel has refused. */
static char *os_moved(long place)
{
    return os_is_error(place) ? NULL : (char *)place;
}

char *os_move(char *start, size_t size, size_t wanted)
{
    return os_moved(system_call(SYS_mremap, start, size, wanted, MREMAP_MAYMOVE));
}

static char *os_call_take(char *start, size_t size)
{
    return os_moved(system_call(SYS_mremap, start, size, size, MREMAP_MAYMOVE | MREMAP_DONTUNMAP));
}

/* Tests on a page of its own whether the kernel can move the page's content and leave the page mapped. An emulator may
 * ignore MREMAP_DONTUNMAP, the flag that leaves the page mapped. */
static bool os_try_take(void)
{
    size_t size = os_page_size();
    char *page = os_map(size);
    if (page == NULL) {
        return false;
    }
    *(volatile char *)page = 1;
    char *place = os_call_take(page, size);
    bool able = place != NULL && place != page && os_is_mapped(page) && *(volatile char *)page == 0 &&
                *(volatile char *)place == 1;
    if (place != NULL) {
        os_release(place, size);
    }
    if (place == NULL || able) {
        os_release(page, size);
    }
    return able;
}

/* Returns NULL for locked memory, which the function recognizes because the kernel refuses MADV_COLD for it. For other
 * memory MADV_COLD only makes the kernel reclaim the pages sooner when memory is short. */
char *os_take_pages(char *start, size_t size)
{
    enum { UNKNOWN, ABLE, UNABLE };
    /* several threads may test the kernel at once, and all get the same result */
    static _Atomic uint32_t takes = UNKNOWN;
    if (atomic_load_explicit(&takes, memory_order_relaxed) == UNKNOWN) {
        atomic_store_explicit(&takes, os_try_take() ? ABLE : UNABLE, memory_order_relaxed);
    }
    if (atomic_load_explicit(&takes, memory_order_relaxed) == UNABLE ||
        system_call(SYS_madvise, start, os_page_size(), MADV_COLD) != 0) {
        return NULL;
    }
    return os_call_take(start, size);
}

char *os_break(void)
{
    return sbrk(0);
}

static bool os_protect(char *start, size_t size, int protection)
{
    return system_call(SYS_mprotect, start, size, protection) == 0;
}

bool os_freeze(void *object, size_t size)
{
    size_t within = os_page_size() - 1;
    return (((uintptr_t)object | size) & within) == 0 && os_protect(object, size, PROT_READ);
}

bool os_thaw(void *object, size_t size)
{
    return os_protect(object, size, PROT_READ | PROT_WRITE);
}

/* true if the kernel reports that it has discarded pages although it has kept their content */
static atomic_bool discard_is_void;

bool os_discard(char *start, size_t size)
{
    if (atomic_load_explicit(&discard_is_void, memory_order_relaxed)) {
        return false;
    }
    long result = system_call(SYS_madvise, start, size, MADV_DONTNEED);
    if (result == -EINVAL) {
        result = system_call(SYS_madvise, start, size, MADV_DONTNEED_LOCKED);
    }
    return result == 0;
}

bool os_discard_clears(void)
{
    return !atomic_load_explicit(&discard_is_void, memory_order_relaxed);
}

/*
 * Writes to a page that reads as zero, and discards it. Returns true if the page has kept its content although
 * os_discard has reported success. The page is read by an atomic addition, which causes one page fault; a load and a
 * later store would cause two.
 */
static bool os_discard_left(atomic_char *page)
{
    atomic_store_explicit(page, 1, memory_order_relaxed);
    bool reported = os_discard((char *)(uintptr_t)page, os_page_size());
    char was = atomic_fetch_add_explicit(page, 1, memory_order_relaxed);
    atomic_store_explicit(page, 0, memory_order_relaxed);
    return reported && was != 0;
}

COLD void os_try_discard(void *page)
{
    atomic_store_explicit(&discard_is_void, false, memory_order_relaxed);
    atomic_store_explicit(&discard_is_void, os_discard_left(page), memory_order_relaxed);
}

/* process_madvise gets an array of struct span in place of one of struct iovec, so both must have the same layout. */
_Static_assert(sizeof(struct span) == sizeof(struct iovec) &&
                   offsetof(struct span, start) == offsetof(struct iovec, iov_base) &&
                   offsetof(struct span, size) == offsetof(struct iovec, iov_len),
               "a span is an iovec");

/*
 * Discards the ranges by one system call. Returns how many bytes were discarded, or the number of the error with a
 * minus.
 */
static long os_call_process_madvise(const struct span *ranges, size_t count)
{
#ifdef SYS_process_madvise
    enum { SELF = -10000 }; /* PIDFD_SELF: stands for the process itself, so that no file descriptor is needed */
    return system_call(SYS_process_madvise, SELF, ranges, count, MADV_DONTNEED, 0);
#else
    (void)ranges;
    (void)count;
    return -ENOSYS;
#endif
}

/* Discards the first and the last of three pages by one call. Returns true if that has worked. The pointer is volatile,
 * because otherwise the compiler would not read the pages again. */
static IN_FRESH_PAGES bool os_discards_two(char *pages)
{
    size_t page = os_page_size();
    volatile char *byte = pages;
    const struct span ranges[] = {{pages, page}, {pages + 2 * page, page}};
    byte[0] = 1;
    byte[2 * page] = 1;
    return os_call_process_madvise(ranges, 2) == (long)(2 * page) && byte[0] == 0 && byte[2 * page] == 0;
}

/* Tests whether the kernel discards several ranges by one call. */
static bool os_try_together(void)
{
    size_t size = 3 * os_page_size();
    char *pages = os_map(size);
    if (pages == NULL) {
        return false;
    }
    bool able = os_discards_two(pages);
    os_release(pages, size);
    return able;
}

bool os_discards_together(void)
{
    enum { UNKNOWN, ABLE, UNABLE };
    /* several threads may test the kernel at once, and all get the same result */
    static _Atomic uint32_t together = UNKNOWN;
    if (os_is_filtered() || atomic_load_explicit(&discard_is_void, memory_order_relaxed)) {
        return false;
    }
    if (atomic_load_explicit(&together, memory_order_relaxed) == UNKNOWN) {
        atomic_store_explicit(&together, os_try_together() ? ABLE : UNABLE, memory_order_relaxed);
    }
    return atomic_load_explicit(&together, memory_order_relaxed) == ABLE;
}

size_t os_discard_together(const struct span *ranges, size_t count)
{
    long done = os_discards_together() ? os_call_process_madvise(ranges, count) : 0;
    size_t left = done > 0 ? (size_t)done : 0;
    size_t gone = 0;
    while (gone < count && ranges[gone].size <= left) {
        left -= ranges[gone++].size;
    }
    return gone;
}

bool os_populate(char *start, size_t size)
{
    /* true if the kernel does not know MADV_POPULATE_WRITE; the call is then not made again */
    static atomic_bool unknown;
    if (atomic_load_explicit(&unknown, memory_order_relaxed)) {
        return false;
    }
    long result = system_call(SYS_madvise, start, size, MADV_POPULATE_WRITE);
    if (result == -EINVAL) {
        atomic_store_explicit(&unknown, true, memory_order_relaxed);
    }
    return result == 0;
}

void os_choose_huge(char *start, size_t size, bool wanted)
{
    system_call(SYS_madvise, start, size, wanted ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

bool os_residency(const char *start, size_t size, unsigned char *pages)
{
    if (os_is_filtered()) {
        return false;
    }
    return system_call(SYS_mincore, start, size, pages) == 0;
}

void os_name(char *start, size_t size, const char *name)
{
    static atomic_bool unknown; /* true if the kernel cannot name mappings; the first call finds this out */
    if (os_is_filtered() || atomic_load_explicit(&unknown, memory_order_relaxed)) {
        return;
    }
    if (system_call(SYS_prctl, PR_SET_VMA, PR_SET_VMA_ANON_NAME, start, size, name) == -EINVAL) {
        atomic_store_explicit(&unknown, true, memory_order_relaxed);
    }
}

/*
 * process_vm_readv reads the process's own memory as if it were that of another process. So for an address that is not
 * mapped it returns an error, and does not crash.
 */
bool os_copy(void *target, const void *source, size_t size)
{
    if (os_is_filtered()) {
        return false;
    }
    struct iovec to = {.iov_base = target, .iov_len = size};
    struct iovec from = {.iov_base = (void *)(uintptr_t)source, .iov_len = size};
    return system_call(SYS_process_vm_readv, system_call(SYS_getpid), &to, 1, &from, 1, 0) == (long)size;
}
