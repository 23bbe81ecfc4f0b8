/* What the library ever says by itself: one row a message, and the one way to say it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_MESSAGE_H
#define SOCKMALLOC_MESSAGE_H

#include <stdbool.h>

#include "base/span.h"

/*
 * Name, format for text_add, and what it means to who reads it, for the man page. After a warning
 * the process goes on; the messages of message_die are said only when memory is, or is about to be,
 * corrupted, and end it by abort().
 */
#define MESSAGE_ROWS(ROW)                                                                                              \
    ROW(UNKNOWN_SETTING, "%s: no such setting; ignored",                                                               \
        "A variable starts with SOCKMALLOC_ and is none of ours: mistyped, or of another "                             \
        "version.")                                                                                                    \
    ROW(REMOVED_SETTING, "%s: this setting was removed and has no effect; use %s",                                     \
        "The variable was a setting of an earlier version. The line names the replacement.")                           \
    ROW(REMOVED_WORD, "%s=%s: this value was removed; use %s",                                                         \
        "The value was one of an earlier version. The setting keeps its default.")                                     \
    ROW(BAD_VALUE, "%s=%s: not %s; using %s", "The setting keeps its default.")                                        \
    ROW(CONTRADICTION, "%s=%s contradicts %s=%s; using the default of both", "The two leave nothing to serve.")        \
    ROW(IN_USE_ELSEWHERE, "SOCKMALLOC_IN_USE=1 contradicts %s=%s; nothing will be listed",                             \
        "The list of what is in use is kept by SOCKMALLOC_POOL=standard alone, and is text.")                          \
    ROW(NO_PROCESSORS, "SOCKMALLOC_POOL=cpu: no restartable sequences here; using thread",                             \
        "glibc is older than 2.35, the kernel lacks rseq, or an emulator or debugger is between.")                     \
    ROW(PROFILE_IGNORED, "%s: not a profile of this version: %s; starting untrained",                                  \
        "The file that SOCKMALLOC_PROFILE names is damaged, of another version or no such file.")                      \
    ROW(STRICT, "SOCKMALLOC_STRICT=1: refusing to run with the setting above",                                         \
        "The process ends with exit code 78 before main.")                                                             \
    ROW(NO_RESERVATION, "no addresses for the pools; every request falls through to mimalloc",                         \
        "The kernel or RLIMIT_AS left no room for even the smallest range.")                                           \
    ROW(CONFIGURATION, "%s", "What SOCKMALLOC_VERBOSE=1 asks for: the configuration in force.")                        \
    ROW(FREED_ALREADY, "%s(%p): bucket %s, slot %u: freed already: the metadata says %s, last request %u bytes",       \
        "The program gave back, resized or asked about a block that it had already given back.")                       \
    ROW(NEVER_ISSUED, "%s(%p): bucket %s, slot %u: never issued: the metadata says never used",                        \
        "A slot begins at the address, but no malloc has returned it.")                                                \
    ROW(NO_SLOT, "%s(%p): never issued: no slot of the pools lies there",                                              \
        "The address lies in the pools' range, but nothing was ever handed out there.")                                \
    ROW(INTERIOR, "%s(%p): bucket %s, slot %u: interior address, %zu bytes into the slot: the metadata says %s",       \
        "The address lies inside a slot and is not what malloc returned.")                                             \
    ROW(STRAY, "%s(%p): a stray: neither a block of the pools nor of libc's heap",                                     \
        "The address lies in or near the program itself: a static object, perhaps.")                                   \
    ROW(NO_START, "libc has no __libc_start_main behind this library's; main can't be run",                            \
        "A C library that starts programs in another way than glibc and musl do.")                                     \
    ROW(NO_CALL, "libc has no %s behind this library's",                                                               \
        "A C library without prctl or syscall, which the program has just called.")                                    \
    ROW(NO_HANDLER, "operator new: out of memory, and no C++ library to throw with",                                   \
        "A throwing new failed in a program without libstdc++ and libc++.")

enum message {
#define MESSAGE_NAME(name, format, meaning) MESSAGE_##name,
    MESSAGE_ROWS(MESSAGE_NAME)
#undef MESSAGE_NAME
        MESSAGE_COUNT
};

/* Notes what descriptor 2 is and what the process is called, before the program can change either.
 */
void message_open(void);

/* The program's name as it was at start; never NULL. */
const char *message_process_name(void);

/* What message_open noted, as an object that another process may copy over its own. */
struct span message_process_span(void);

/* Ends the name, after another process's was copied over it. */
void message_end_name(void);

/*
 * Whether descriptor 2 is still the file that it was at start. A daemon closes its descriptors, and
 * then 2 may be its database. Safe in a signal handler.
 */
bool message_stderr_is_ours(void);

/*
 * Writes all of it to a descriptor, through interruptions; false if the descriptor took less, or
 * nothing for a tenth of a second. Causes no SIGPIPE and no SIGXFSZ, except behind a filter of the
 * process's own, where it is like write(2). Safe in a signal handler; errno is kept.
 */
bool message_write(int descriptor, const char *bytes, unsigned long size);

/* One line to stderr: sockmalloc, process, pid, message. Safe in a signal handler; errno is kept.
 */
void message_say(enum message message, ...);

/* The same, then abort(). */
void message_die(enum message message, ...) __attribute__((noreturn, cold));

#endif
