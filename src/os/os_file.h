/* System calls for files. None of them is a cancellation point or changes errno. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_OS_FILE_H
#define SOCKMALLOC_OS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

/*
 * Every function is safe in any thread and in signal handlers, and keeps errno, because the caller decides which error
 * the program sees. A failure is reported by the return value; no function ends the process.
 */

/*
 * Reads a small file as a text, by one system call read, and cut if the buffer is too small. One read returns a whole
 * file of /proc or /sys that is shorter than a page. The text is "" if the file cannot be read. The function is no
 * cancellation point.
 */
void os_read_file(const char *path, char *text, size_t size);

/*
 * These functions open, close, read and write files. Unlike those of libc they are no cancellation points. A thread
 * that was cancelled in one of them would leave a file open, or would leave a flag set, such as the flag that marks a
 * running dump of the statistics. The thread would also end inside a function, such as malloc, that the program does
 * not know as a cancellation point. A failed call returns the negative error number. os_read tries again after a signal
 * handler has interrupted it. os_write returns the error -EINTR instead, because the descriptor may accept nothing for
 * a while.
 */
int os_open(const char *path, int flags, unsigned mode);
void os_close(int file);
ssize_t os_read(int file, void *bytes, size_t size);
ssize_t os_write(int file, const void *bytes, size_t size);

/*
 * Waits until the descriptor accepts a write or has an error to report. Returns true then, or false if neither has
 * happened after `milliseconds`; signals that interrupt the wait can double that time. The function is no cancellation
 * point.
 */
bool os_await_writable(int file, int milliseconds);

/*
 * os_status stores what the kernel knows of an open file. os_status_at stores what the kernel knows of the file at
 * `path`. If `follow` is true and `path` names a symbolic link, os_status_at describes the file to which the link
 * leads. Both return 0, or the negative error number.
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

#endif
