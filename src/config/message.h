/* The messages that the library prints on stderr, one row for each, and the functions that print them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_MESSAGE_H
#define SOCKMALLOC_MESSAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

/*
 * The columns of a row: the message's name, its format for text_add, and its explanation for the man page. Most
 * messages are printed by message_say, after which the process goes on. message_die prints a message and ends the
 * process by abort(). It is called if memory is corrupted, or would be by the next step. It is also called if the C or
 * C++ library lacks a function without which the program cannot go on.
 */
#define MESSAGE_ROWS(ROW)                                                                                              \
    ROW(UNKNOWN_SETTING, "%s: no such setting; ignored",                                                               \
        "The name of a variable starts with SOCKMALLOC_ but is no setting of this version. It may be mistyped.")       \
    ROW(MISTYPED_SETTING, "%s: no such setting; ignored; did you mean %s?",                                            \
        "The name of a variable starts with SOCKMALLOC_ and is almost that of a setting.")                             \
    ROW(REMOVED_SETTING, "%s: this setting was removed and has no effect; use %s",                                     \
        "The variable was a setting of an earlier version. The line names the replacement.")                           \
    ROW(REMOVED_WORD, "%s=%s: this value was removed; use %s",                                                         \
        "The value was one of an earlier version. The setting keeps its default.")                                     \
    ROW(UNKNOWN_ITEM, "%s: %s: no such setting; ignored",                                                              \
        "SOCKMALLOC_CONF or the file of settings names something that is no setting of this version.")                 \
    ROW(MISTYPED_ITEM, "%s: %s: no such setting; ignored; did you mean %s?",                                           \
        "SOCKMALLOC_CONF or the file of settings names something that is almost a setting.")                           \
    ROW(NO_VALUE, "%s: %s: no value; ignored",                                                                         \
        "An item of SOCKMALLOC_CONF or of the file of settings has no equals sign.")                                   \
    ROW(TOO_LONG, "%s: more than %u bytes; ignored", "SOCKMALLOC_CONF or the file of settings is too long.")           \
    ROW(BAD_VALUE, "%s=%s: not %s; using %s", "The setting does not take this value, and keeps its default.")          \
    ROW(CONTRADICTION, "%s=%s contradicts %s=%s; using the default of both",                                           \
        "The smallest request would be larger than the largest one.")                                                  \
    ROW(IN_USE_ELSEWHERE, "SOCKMALLOC_IN_USE=1 contradicts %s=%s; nothing will be listed",                             \
        "Only SOCKMALLOC_POOL=standard keeps the list of blocks in use, and the list is only printed as text.")        \
    ROW(NO_PROCESSORS, "SOCKMALLOC_POOL=cpu: no restartable sequences here; using thread",                             \
        "glibc is older than 2.35, the kernel has no rseq, or an emulator or debugger runs the program.")              \
    ROW(PROFILE_IGNORED, "%s: this profile cannot be used: %s; starting untrained",                                    \
        "The file of SOCKMALLOC_PROFILE is damaged, of another version, or not safe to read. It may be missing.")      \
    ROW(NO_MESSAGE_PAGES, "SOCKMALLOC_MESSAGE=%s: no addresses for message pages; mimalloc serves these requests",     \
        "A limit leaves too few addresses, or `ulimit -s unlimited` makes the kernel choose others.")                  \
    ROW(STRICT, "SOCKMALLOC_STRICT=1: refusing to run with the setting above",                                         \
        "The process ends with exit code 78 before main.")                                                             \
    ROW(NO_RESERVATION, "no addresses for the pools; every request falls through to mimalloc",                         \
        "The kernel or RLIMIT_AS left too little address space for the pools.")                                        \
    ROW(CONFIGURATION, "%s", "The settings in force, which SOCKMALLOC_VERBOSE=1 asks for.")                            \
    ROW(FREED_ALREADY, "%s(%p): bucket %s, slot %u: freed already: the metadata says %s, last request %u bytes",       \
        "The program freed or resized a block, or asked for its size, after it had freed that block.")                 \
    ROW(FREED_MAPPED, "%s(%p): freed already: a block that had a mapping of its own",                                  \
        "The program freed a large block, above SOCKMALLOC_MAX, a second time.")                                       \
    ROW(FREED_PACKED, "%s(%p): freed already: one of several blocks that share a slot",                                \
        "The program freed a block twice that it had got while memory was tight.")                                     \
    ROW(NEVER_ISSUED, "%s(%p): bucket %s, slot %u: never issued: the metadata says never used",                        \
        "A slot begins at the address, but malloc has never returned that address.")                                   \
    ROW(NO_SLOT, "%s(%p): never issued: no slot of the pools lies there",                                              \
        "The address lies in the range of the pools, where no slot has been carved yet.")                              \
    ROW(INTERIOR, "%s(%p): bucket %s, slot %u: interior address, %zu bytes into the slot: the metadata says %s",       \
        "The address lies inside a slot, and malloc did not return it.")                                               \
    ROW(STRAY, "%s(%p): a stray address: no allocator has returned it",                                                \
        "The address lies in the program, a library or a stack, or below 64 KiB, or is no multiple of 8.")             \
    ROW(MESSAGE_FREED, "%s(%p): freed already: a message in a page of messages",                                       \
        "The program freed a message of sockmalloc_message_alloc a second time, or asked for its size.")               \
    ROW(NO_MESSAGE, "%s(%p): no message of this object begins there",                                                  \
        "The program freed an address that sockmalloc_message_alloc did not return for this object, or overwrote the " \
        "eight bytes in front of a message.")                                                                          \
    ROW(RING_FREED, "%s(%p): chunk %u of the ring at %p: no message in use begins there",                              \
        "The program freed a message twice, or an address inside a message.")                                          \
    ROW(RING_FOREIGN, "%s(%p): outside the chunks of the ring at %p, or not at the start of a chunk",                  \
        "The address is not one that the ring has returned.")                                                          \
    ROW(RING_DAMAGED, "%s: the ring at %p is damaged: the state of chunk %u contradicts the header",                   \
        "A process that shares the memory of the ring has written over the ring's own data.")                          \
    ROW(POOL_FREED, "%s(%p): pool %s: freed already",                                                                  \
        "The program freed a block of a pool of sockmalloc_pool_create a second time.")                                \
    ROW(POOL_INTERIOR, "%s(%p): pool %s: interior address, %zu bytes into a block",                                    \
        "The address lies inside a block of the pool, and sockmalloc_pool_alloc did not return it.")                   \
    ROW(POOL_FOREIGN, "%s(%p): pool %s: no block of this pool lies there",                                             \
        "The block belongs to another pool or another allocator, or its chunk was given back.")                        \
    ROW(NO_POOL, "%s(%p): no such pool: it was destroyed, or is NULL",                                                 \
        "The program freed a block of a pool after sockmalloc_pool_destroy.")                                          \
    ROW(NO_START, "libc has no __libc_start_main, so that main cannot be run",                                         \
        "The C library starts programs in another way than glibc and musl do.")                                        \
    ROW(NO_CALL, "libc has no function %s, which the program called",                                                  \
        "The C library of the program lacks prctl or syscall.")                                                        \
    ROW(NO_HANDLER, "operator new: out of memory, and no C++ library that could throw std::bad_alloc",                 \
        "An operator new that throws failed in a program that has neither libstdc++ nor libc++.")

enum message {
#define MESSAGE_NAME(name, format, meaning) MESSAGE_##name,
    MESSAGE_ROWS(MESSAGE_NAME)
#undef MESSAGE_NAME
        MESSAGE_COUNT
};

/*
 * The last messages, each with its line end. `sockmalloc bugreport` and a debugger read them here, because a server
 * that has closed its stderr has printed none of them. The next message begins in `text` at the index `end` modulo
 * MESSAGE_KEPT.
 */
enum { MESSAGE_KEPT = 2048 };
struct message_kept {
    _Atomic uint32_t end; /* the number of bytes that were ever kept, modulo 2^32 */
    char text[MESSAGE_KEPT];
};

/* Stores the identity of the file that is stderr (descriptor 2), and the name of the program, before the program can
 * change either. Start-up calls this function. */
void message_open(void);

/* Returns the name that the program had at start-up. The result is never NULL. */
const char *message_process_name(void);

/*
 * Returns the address and the size of the object in which message_open stores the identity of stderr and the name of
 * the program. When one process inspects another, it copies the object of the other process over its own.
 */
struct span message_process_span(void);

/* Returns the address and the size of the struct message_kept that has the last messages. */
struct span message_kept_span(void);

/* Puts a NUL at the end of the stored name of the program. A process that has copied another process's object over its
 * own (message_process_span) calls this function. */
void message_end_name(void);

/*
 * Returns true if descriptor 2 is still the file that it was at start-up. A daemon closes its descriptors, and then
 * descriptor 2 may be one of its data files. The function is safe in a signal handler.
 */
bool message_stderr_is_ours(void);

/* Returns true if descriptor 2 was at start-up the file with this device number and inode number. `device_and_inode`
 * has both as decimal numbers with a colon between them, as in JOURNAL_STREAM. */
bool message_stderr_was(const char *device_and_inode);

/*
 * Writes `size` bytes to the descriptor and keeps errno. Returns false if the descriptor did not take all of them or
 * took nothing for a tenth of a second, or up to two tenths if signals interrupt the wait. A signal that interrupts the
 * write does not end it. Causes no SIGPIPE and no SIGXFSZ, except behind a seccomp filter that the program has set,
 * where it does only what write(2) does. The function is safe in a signal handler.
 */
bool message_write(int descriptor, const char *bytes, unsigned long size);

/*
 * Writes one line to stderr: "sockmalloc", the program's name and process id, and the message. A question mark stands
 * for each control character. Writes nothing if descriptor 2 is another file than at start-up. Keeps the line in struct
 * message_kept in any case. The function is safe in a signal handler and keeps errno.
 */
void message_say(enum message message, ...);

/* Writes the message as message_say does, then calls abort(). */
void message_die(enum message message, ...) __attribute__((noreturn, cold));

#endif
