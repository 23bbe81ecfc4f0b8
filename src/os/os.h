/* Makes system calls for memory. None of these functions is a cancellation point or changes errno. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_OS_H
#define SOCKMALLOC_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

/*
 * All sizes are bytes and all ranges are whole pages, unless a comment says otherwise. Any thread and any signal
 * handler may call these functions. They keep errno, because the caller decides which error the program sees. They
 * report a failure by the return value and never end the process. If a comment says that the library calls a function
 * at start-up, no other code may call it.
 */

/* Returns the page size. It is read once, at the first call. */
size_t os_page_size(void);

/* Returns `size` rounded up to a multiple of the page size. */
size_t os_round_to_pages(size_t size);

/*
 * Maps fresh memory at exactly this address. Returns false if the kernel refuses, or if something is mapped there
 * already; that mapping stays as it is.
 */
bool os_claim(char *start, size_t size);

/*
 * Extends the mapping that ends at `end` by `size` bytes in place. The new pages have the protection, the name and the
 * advice of the mapping. Where the kernel cannot grow a mapping, they are a new mapping that can be read and written,
 * without name and advice. Returns false, and changes nothing, if another mapping is in the way, if another thread has
 * extended the mapping meanwhile, or if memory is short.
 */
bool os_extend(char *end, size_t size);

/* Returns true if the page is mapped. */
bool os_is_mapped(char *page);

/*
 * Returns true if nothing is mapped in the range. Also returns true if the process's limit on address space prevents
 * the test. The library calls it at start-up.
 */
bool os_is_free(char *start, size_t size);

/*
 * Returns the start of a range in which nothing is mapped, chosen by the kernel, or NULL if there is no such range.
 * Another thread may map something there at any moment.
 */
char *os_find_free(size_t size);

/*
 * Maps fresh memory at an address that the kernel chooses. Returns NULL if the kernel refuses. os_release unmaps it.
 */
char *os_map(size_t size);

/*
 * Makes the mapping of `size` bytes longer, to `wanted` bytes, without moving it. Returns false, with nothing changed,
 * if another mapping is in the way or the kernel refuses.
 */
bool os_grow(char *start, size_t size, size_t wanted);

/*
 * Moves the mapping of `size` bytes, with its pages, to where the kernel has room for `wanted` bytes. Returns its new
 * start, or NULL, with nothing changed, if the kernel refuses. The kernel chooses the new place. If the caller chose
 * the place (MREMAP_FIXED), the kernel would unmap what lies there even if the move then failed.
 */
char *os_move(char *start, size_t size, size_t wanted);

/*
 * Moves the pages of a range to a new mapping, and returns the start of the new mapping. The range itself stays mapped,
 * and reads as zero afterwards. Returns NULL, and changes nothing, if the kernel cannot do that (before Linux 5.7) or
 * refuses. Also returns NULL if the range is locked in memory, because the kernel would then unlock the whole mapping
 * to which the range belongs. The first call tests the kernel on a page of its own.
 */
char *os_take_pages(char *start, size_t size);

/*
 * Returns the end of the program's heap (brk). Memory that libc's own malloc has got from the heap lies below this
 * address.
 */
char *os_break(void);

/*
 * Makes an object read-only until os_thaw. Returns false if the kernel refuses or the object
 * does not fill whole pages; the object then stays writable.
 */
bool os_freeze(void *object, size_t size);

/* Makes an object writable again that os_freeze has made read-only. Returns false if the kernel refuses. */
bool os_thaw(void *object, size_t size);

/*
 * Gives the pages of a range back to the kernel, and they read as zero afterwards. Locked pages are given back too,
 * where the kernel can do that (Linux 5.18). Returns false if the kernel kept the pages, or if os_try_discard has found
 * that the kernel reports success but does nothing.
 */
bool os_discard(char *start, size_t size);

/*
 * os_discard_together discards several ranges by one system call. The kernel then flushes the processors' address
 * translations once, and not for each range, so that discarding separate ranges of four pages takes 0.6 of the time
 * that a call for each range takes. The ranges are discarded in order, and the function returns how many were discarded
 * completely. If not all were discarded, the kernel has refused the next range, which may be tried again with
 * os_discard. The refused range may have lost a part of its content.
 *
 * os_discards_together returns false if the kernel cannot discard several ranges by one call (Linux 6.18 can, 6.1
 * cannot), if the process has a seccomp filter, or if os_discard_clears returns false. Then os_discard_together returns
 * 0 without a system call. The first call of either function tests the kernel on pages of its own.
 */
bool os_discards_together(void);
size_t os_discard_together(const struct span *ranges, size_t count);

/*
 * Tests whether discarding works: writes to a page, discards it and reads it. The page must be private anonymous memory
 * that reads as zero. It reads as zero afterwards, too. If the caller passes a page that it needs anyway, the test
 * costs no additional page fault. Some emulators and sandboxes report success and do nothing (qemu-user before 7.1).
 * os_discard then always returns false and makes no call, so that old content is never taken for zeros. If the kernel
 * reports an error in the test, os_discard goes on to make its calls, because each call reports its own error. The
 * library calls it at start-up.
 */
void os_try_discard(void *page);

/* Returns false if os_try_discard has found that a discarded page keeps its content. */
bool os_discard_clears(void);

/*
 * Makes the kernel give memory to all pages of a range, by one system call. A page fault for each page would cost
 * several times as much. Returns false if the kernel has no such call (before Linux 5.14) or no memory. Nothing is lost
 * then, because each page gets memory by a page fault when it is first touched.
 */
bool os_populate(char *start, size_t size);

/*
 * Advises the kernel to use huge pages for a range from now on. Forbids huge pages in the range if `wanted` is false.
 * Does nothing if the kernel has no huge pages.
 */
void os_choose_huge(char *start, size_t size, bool wanted);

/*
 * Unmaps a range: frees its memory and its addresses, which then no longer count against the limits of the process.
 * Returns false if the kernel refuses.
 */
bool os_release(char *start, size_t size);

/* The largest number of pages for one call of os_residency. */
enum { OS_RESIDENCY_PAGES = 1024 };

/*
 * Stores which pages of the range are in memory: a byte for each page, whose lowest bit is 1 if the page is in memory.
 * A page that was only ever read counts as in memory too, although all such pages share one page of the kernel. Returns
 * false if the kernel does not report this. Returns false without a system call if the process has a seccomp filter.
 */
bool os_residency(const char *start, size_t size, unsigned char *pages);

/*
 * Names a mapping, so that /proc/PID/smaps shows what it is for. Does nothing if the kernel cannot do that or the
 * process has a seccomp filter.
 */
void os_name(char *start, size_t size, const char *name);

/*
 * Copies `size` bytes from memory that may not be mapped, or may be unmapped meanwhile. `size` need not be whole pages.
 * Returns false, and does not crash, if the memory is not mapped. Also returns false if an emulator lacks the system
 * call for this (process_vm_readv). Returns false without a system call if the process has a seccomp filter.
 */
bool os_copy(void *target, const void *source, size_t size);

/*
 * sandbox.c calls os_add_filter for a seccomp filter that is in force at start-up, and when the program is about to set
 * one more. It calls os_drop_filter if the kernel has refused the new one. os_is_filtered returns true if there is a
 * filter. A filter may end the process for a call that its author did not expect. So while there is a filter, os.c does
 * not call mincore, prctl, process_madvise and process_vm_readv, which servers do not need. os_is_filtered itself makes
 * no system call, because a filter may end the process for the very system call that reports filters.
 */
void os_add_filter(void);
void os_drop_filter(void);
bool os_is_filtered(void);

#endif
