/* The kernel's calls: memory, and files without cancellation points. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_OS_H
#define SOCKMALLOC_OS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/*
 * All sizes are bytes and all ranges whole pages, unless a line says otherwise. Every call is safe
 * in any thread and in a signal handler, and leaves errno alone: the caller decides what the
 * program is told. Whatever fails, fails by a return value; nothing here ends the process.
 */

/* The page size; read once, at the first call. */
size_t os_page_size(void);

/*
 * Maps a range of fresh memory at that address, and nowhere else. Returns false if something is
 * mapped there, which stays as it is, or if the kernel refuses.
 */
bool os_claim(char *start, size_t size);

/*
 * Extends the mapping that ends at `end` by `size` bytes in place: they inherit its protection, its
 * name and its advice. Returns false, with nothing changed, if something is in the way, if another
 * thread has extended it from there already, or if memory is short.
 */
bool os_extend(char *end, size_t size);

/* Returns true if the page is mapped, by anybody. */
bool os_is_mapped(char *page);

/* Returns true if nothing is mapped in the range, or if a limit on address space keeps that from
 * being found out. At start. */
bool os_is_free(char *start, size_t size);

/* Returns a range in which nothing is mapped, of the kernel's choice, or NULL. At start. */
char *os_find_free(size_t size);

/* Maps fresh memory where the kernel likes, or returns NULL. os_release gives it back. */
char *os_map(size_t size);

/* Where the program's heap ends: what libc's own malloc may have grown lies below. */
char *os_break(void);

/*
 * Makes an object read-only for good, of any size and at any address. False, and it stays writable,
 * where it does not have its pages to itself, or the kernel refuses.
 */
bool os_freeze(void *object, size_t size);

/* Gives the pages behind a range back, of locked memory, too, where the kernel can (Linux 5.18);
 * they read as zero afterwards. Returns false if the kernel kept them, or if os_try_discard has
 * found that it does not do what it says. */
bool os_discard(char *start, size_t size);

/*
 * Writes to a page, discards it and reads it. Some emulators and sandboxes answer that they have
 * discarded a range and do nothing (qemu-user before 7.1): from then on os_discard is false without
 * a call, so that what was written is never taken for zeros. A refusal shows nothing, since each
 * later one shows itself. At start.
 */
void os_try_discard(void);

/* Returns true unless os_try_discard has found that a discarded page keeps its content. */
bool os_discard_clears(void);

/*
 * Puts memory behind a range that has none, in one call where a fault a page would do the same for
 * several times its price. False, with nothing lost, where the kernel has no such call (before
 * Linux 5.14) or no memory: then the pages come one by one.
 */
bool os_populate(char *start, size_t size);

/* Says whether huge pages may, or shall, stand behind a range, now or later; silently nothing where
 * the kernel knows none. */
void os_choose_huge(char *start, size_t size, bool wanted);

/* Unmaps a range: its memory, its addresses, and what limits charge for both. Returns false if the
 * kernel refuses. */
bool os_release(char *start, size_t size);

/* Pages that one call of os_residency is asked about at most. */
enum { OS_RESIDENCY_PAGES = 1024 };

/*
 * Which pages of the range are in memory now: the lowest bit of a byte each in `pages`. One that
 * was only ever read is, too, though the kernel has a single page for all such. False if it does
 * not say, and without a call behind a filter.
 */
bool os_residency(const char *start, size_t size, unsigned char *pages);

/* Names a mapping, where the kernel can: /proc/PID/smaps then says what it is for.
 * Does nothing behind a filter. */
void os_name(char *start, size_t size, const char *name);

/*
 * Copies any number of bytes from an address of which nobody promises that it is mapped, or stays
 * so: false in place of a fault, where an emulator lacks the call, and without a call behind a
 * filter.
 */
bool os_copy(void *target, const void *source, size_t size);

/*
 * The room `sandbox` says here that a seccomp filter is in force, or that one is no longer. A call
 * that its author did not foresee may be the process's end. So while there is one this room makes
 * no mincore, prctl or process_vm_readv, which servers do not need. os_is_filtered makes no call
 * either: the question itself can be deadly.
 */
void os_add_filter(void);
void os_drop_filter(void);
bool os_is_filtered(void);

/*
 * Reads a small file as a text, as far as it fits and one read brings it, as it does all of a file
 * of the kernel's of less than a page: "" where it can't be read. No cancellation point, as open
 * and read are: malloc is none, and a thread that ended here would leave a file open.
 */
void os_read_file(const char *path, char *text, size_t size);

/*
 * Files, without cancellation points: a thread that ended in one of libc's calls would leave a file
 * open, or a flag set, and might end in the middle of a function of its program that has none. What
 * fails returns the error's number with a minus. An interrupted read goes on; an interrupted write
 * returns, since the descriptor may take nothing meanwhile.
 */
int os_open(const char *path, int flags, unsigned mode);
void os_close(int file);
ssize_t os_read(int file, void *bytes, size_t size);
ssize_t os_write(int file, const void *bytes, size_t size);

/* Returns true when the descriptor takes a write, or has an error to tell; false if it takes none
 * for so many milliseconds. No cancellation point. */
bool os_await_writable(int file, int milliseconds);

/* Stores what the kernel knows of an open file, or of the file at `path`: of a symbolic link's target if
 * `follow`, else of the link itself. Returns 0, or the error's number with a minus. */
int os_status(int file, struct stat *status);
int os_status_at(const char *path, struct stat *status, bool follow);

/* Makes an open file empty. Returns false if the kernel refuses. */
bool os_truncate(int file);

/* Gives a file another name, in the place of a file that has this name already. Returns false if the
 * kernel refuses. */
bool os_rename(const char *from, const char *to);

/* Removes a name of a file, if it is there and may be removed. */
void os_unlink(const char *path);

/* Takes the exclusive lock of an open file (flock), which ends when the file is closed. Returns false, and
 * does not wait, if somebody else has it. */
bool os_lock_file(int file);

/* Returns the id of the process, of its parent, and of the user whose rights it has. */
pid_t os_process(void);
pid_t os_parent(void);
uid_t os_user(void);

/* Stores which signals are pending for the calling thread. */
void os_pending_signals(sigset_t *signals);

/* Blocks signals for the calling thread, and stores which ones it blocked before, for
 * os_restore_signals. */
void os_block_signals(const sigset_t *signals, sigset_t *former);
void os_restore_signals(const sigset_t *former);

/* Takes one of these signals if it is pending, so that no handler runs for it. Does not wait. */
void os_take_signal(const sigset_t *signals);

/*
 * Waits while `word` is `value`, for `nanoseconds` at most, or without a limit if that is UINT64_MAX. It
 * may return early, so the caller checks the word again. os_wake wakes all threads that wait for the
 * word, os_wake_one wakes one of them. No cancellation points.
 */
void os_wait(_Atomic uint32_t *word, uint32_t value, uint64_t nanoseconds);
void os_wake(_Atomic uint32_t *word);
void os_wake_one(_Atomic uint32_t *word);

/* Sets what `top` and `ps -L` call the calling thread; 15 characters. Does nothing behind a filter.
 */
void os_name_thread(const char *name);

/* Returns the kernel's number of the calling thread, without a call. In the child of a fork, whose
 * one thread this is, it is the process's. */
pid_t os_thread(void);

/*
 * Returns the bytes that may be charged for memory, used or not: the least of RLIMIT_DATA,
 * RLIMIT_AS and, under vm.overcommit_memory=2, the kernel's CommitLimit. SIZE_MAX without a limit.
 * Reads /proc: at start only.
 */
size_t os_charge_limit(void);

/* Returns a limit of the process, RLIMIT_STACK for example, in its unit; SIZE_MAX if there is none. */
size_t os_limit(int resource);

/* Processors that the machine has, in use or not; at least 1. Reads /sys: at start only. */
unsigned os_processors(void);

/* Whether the process has had more than one thread, as far as libc tells. */
bool os_has_threads(void);

/* `size` raised to the next multiple of the page size. */
size_t os_round_to_pages(size_t size);

#endif
