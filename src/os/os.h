/*
 * Makes system calls for memory, files, signals and threads. None of these functions is a cancellation point or changes
 * errno.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_OS_H
#define SOCKMALLOC_OS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/span.h"

/*
 * All sizes are bytes and all ranges are whole pages, unless a comment says otherwise. Any thread and any signal
 * handler may call these functions. They keep errno, because the caller decides which error the program sees. They
 * report a failure by the return value and never end the process. Where a comment says that the library calls a
 * function at start-up, nothing else may call that function.
 */

/* Returns the page size. It is read once, at the first call. */
size_t os_page_size(void);

/*
 * Maps fresh memory at exactly this address. Returns false if the kernel refuses, or if something is mapped there
 * already; that mapping stays as it is.
 */
bool os_claim(char *start, size_t size);

/*
 * Extends the mapping that ends at `end` by `size` bytes in place. The new pages have the protection, the name and the
 * advice of the mapping. Returns false, with nothing changed, if another mapping is in the way, if another thread has
 * extended the mapping meanwhile, or if memory is short.
 */
bool os_extend(char *end, size_t size);

/* Returns true if the page is mapped. */
bool os_is_mapped(char *page);

/*
 * Returns true if nothing is mapped in the range. Also returns true if a limit on address space keeps the function from
 * finding out. The library calls it at start-up.
 */
bool os_is_free(char *start, size_t size);

/*
 * Returns the start of a range in which nothing is mapped, chosen by the kernel, or NULL if there is no such range. The
 * library calls it at start-up.
 */
char *os_find_free(size_t size);

/*
 * Maps fresh memory at an address that the kernel chooses. Returns NULL if the kernel refuses. os_release unmaps it.
 */
char *os_map(size_t size);

/*
 * Maps addresses that have no memory and cannot be accessed, at a place that the kernel chooses. Returns NULL if the
 * kernel refuses.
 */
char *os_reserve(size_t size);

/*
 * Makes the mapping of `size` bytes longer, to `wanted` bytes, without moving it. Returns false, with nothing changed,
 * if another mapping is in the way or the kernel refuses.
 */
bool os_grow(char *start, size_t size, size_t wanted);

/*
 * Moves the mapping of `size` bytes, with its pages, to `place`, where it replaces what is mapped there and is then
 * `wanted` bytes long. Returns false, with nothing changed, if the kernel refuses.
 */
bool os_move(char *start, size_t size, char *place, size_t wanted);

/*
 * Moves the pages of a range to `place`, where they replace what is mapped there. The old range stays mapped, and reads
 * as zero. Returns false, with nothing changed, if the kernel cannot do that (before Linux 5.7) or refuses, or if the
 * range is locked in memory, because the kernel would unlock the whole mapping that the range is a part of.
 */
bool os_take_pages(char *start, size_t size, char *place);

/*
 * Returns the end of the program's heap (brk). Memory that libc's own malloc has got from the heap lies below this
 * address.
 */
char *os_break(void);

/*
 * Makes an object read-only for the rest of the process's life. Returns false if the kernel refuses or the object
 * does not fill whole pages; the object then stays writable.
 */
bool os_freeze(void *object, size_t size);

/*
 * Gives the pages of a range back to the kernel, and they read as zero afterwards. Locked pages are given back too,
 * where the kernel can do that (Linux 5.18). Returns false if the kernel kept the pages, or if os_try_discard has found
 * that the kernel reports success but does nothing.
 */
bool os_discard(char *start, size_t size);

/*
 * os_discard_together discards several ranges by one system call. The kernel then flushes the processors' address
 * translations once, and not for each range, so that discarding ranges of four pages that lie apart takes 0.6 of the
 * time of separate calls. The ranges are discarded in order, and the function returns how many were discarded
 * completely. If that is not all of them, the kernel has refused the next range, which may be tried again with
 * os_discard. The refused range may have lost a part of its content.
 *
 * os_discards_together returns false if the kernel cannot discard several ranges by one call (Linux 6.18 can, 6.1
 * cannot), or if the process has a seccomp filter. Then os_discard_together returns 0 without a system call. The first
 * call of either function tests the kernel on pages of its own.
 */
bool os_discards_together(void);
size_t os_discard_together(const struct span *ranges, size_t count);

/*
 * Tests whether discarding works: writes to a page, discards it and reads it. The page must be private anonymous memory
 * that reads as zero, and reads as zero afterwards. If the caller passes a page that it needs anyway, the test costs no
 * additional page fault. Some emulators and sandboxes report success and do nothing (qemu-user before 7.1). os_discard
 * then always returns false and makes no call, so that old content is never taken for zeros. A kernel that reports an
 * error does not have this effect, because os_discard sees each later error. The library calls it at start-up.
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
 * false if the kernel does not tell. Returns false without a system call if the process has a seccomp filter.
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
 * sandbox.c calls os_add_filter when one more seccomp filter is in force, and os_drop_filter when there is one filter
 * less. os_is_filtered returns true if there is a filter. A filter may end the process for a call that its author did
 * not expect. So while there is a filter, os.c does not call mincore, prctl, process_madvise and process_vm_readv,
 * which servers do not need. os_is_filtered makes no system call either, because a filter may end the process even for
 * the system call that reports filters.
 */
void os_add_filter(void);
void os_drop_filter(void);
bool os_is_filtered(void);

/*
 * Reads a small file as a text, as much of it as one read returns and the buffer holds. One read returns a whole file
 * of /proc or /sys that is shorter than a page. The text is "" if the file cannot be read. The function is no
 * cancellation point.
 */
void os_read_file(const char *path, char *text, size_t size);

/*
 * These functions open, close, read and write files. Unlike those of libc they are no cancellation points, because a
 * thread that was cancelled in one of them would leave a file open or a flag set, and would end inside a function, such
 * as malloc, that the program does not know as a cancellation point. A failed call returns the number of the error with
 * a minus. os_read tries again after a signal handler has interrupted it. os_write returns the error -EINTR instead,
 * because the descriptor may accept nothing for a while.
 */
int os_open(const char *path, int flags, unsigned mode);
void os_close(int file);
ssize_t os_read(int file, void *bytes, size_t size);
ssize_t os_write(int file, const void *bytes, size_t size);

/*
 * Waits until the descriptor accepts a write or has an error to report, and then returns true. Returns false if neither
 * has happened after `milliseconds`. The function is no cancellation point.
 */
bool os_await_writable(int file, int milliseconds);

/*
 * Store what the kernel knows of an open file, or of the file at `path`. If `follow` is true and `path` names a
 * symbolic link, the link's target is described. Returns 0, or the number of the error with a minus.
 */
int os_status(int file, struct stat *status);
int os_status_at(const char *path, struct stat *status, bool follow);

/* Cuts an open file to length 0. Returns false if the kernel refuses. */
bool os_truncate(int file);

/* Renames a file, and replaces the file that has the new name already. Returns false if the kernel refuses. */
bool os_rename(const char *from, const char *to);

/* Removes a file's name. Does nothing if the name does not exist or may not be removed. */
void os_unlink(const char *path);

/*
 * Takes the exclusive lock of an open file (flock), which lasts until the file is closed. Returns false, without
 * waiting, if another process or another open file has the lock.
 */
bool os_lock_file(int file);

/* Return the id of the process, the id of its parent, and the id of the effective user. */
pid_t os_process(void);
pid_t os_parent(void);
uid_t os_user(void);

/* Stores which signals are pending for the calling thread. */
void os_pending_signals(sigset_t *signals);

/*
 * os_block_signals blocks signals for the calling thread and stores the former mask, which os_restore_signals sets
 * again.
 */
void os_block_signals(const sigset_t *signals, sigset_t *former);
void os_restore_signals(const sigset_t *former);

/* Removes one of these signals if one is pending, so that no handler runs for it. The function does not wait. */
void os_take_signal(const sigset_t *signals);

/*
 * os_wait waits while `word` is `value`, for `nanoseconds` at most, or without a limit if `nanoseconds` is UINT64_MAX.
 * It may return early, so the caller must check the word again. os_wake wakes all threads that wait for the word, and
 * os_wake_one wakes one of them. These functions are no cancellation points.
 */
void os_wait(_Atomic uint32_t *word, uint32_t value, uint64_t nanoseconds);
void os_wake(_Atomic uint32_t *word);
void os_wake_one(_Atomic uint32_t *word);

/*
 * Sets the name of the calling thread that `top` and `ps -L` show; 15 characters at most. Does nothing if the process
 * has a seccomp filter.
 */
void os_name_thread(const char *name);

/*
 * Returns the kernel's number (TID) of the calling thread, without a system call. In the child of a fork this is the
 * id of the process, because the child has one thread.
 */
pid_t os_thread(void);

/*
 * Returns how many bytes of memory the process may map, used or not: the least of RLIMIT_DATA, RLIMIT_AS and, under
 * vm.overcommit_memory=2, the CommitLimit of the kernel. Returns SIZE_MAX if there is no limit. Reads /proc. The
 * library calls it at start-up.
 */
size_t os_charge_limit(void);

/*
 * Returns a soft limit of the process, for example RLIMIT_STACK, in the limit's own unit. Returns SIZE_MAX if there
 * is no limit.
 */
size_t os_limit(int resource);

/*
 * Returns how many processors the machine has, in use or not; at least 1. The first call reads /sys, so start-up must
 * make it.
 */
unsigned os_processors(void);

/*
 * Returns how many processors the process may use at the moment (sched_setaffinity); at least 1. Costs one system call
 * and reads no file. Behind a seccomp filter it returns what os_processors returns. The library calls it at start-up.
 */
unsigned os_usable_processors(void);

/*
 * Returns true if the process may have had more than one thread. The result is always true with a libc that does not
 * have glibc's flag __libc_single_threaded.
 */
bool os_has_threads(void);

/* Returns `size` rounded up to a multiple of the page size. */
size_t os_round_to_pages(size_t size);

#endif
