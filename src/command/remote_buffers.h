/*
 * Reads the figures of another process's named message pages and rings. The process uses them by the functions
 * sockmalloc_message_* and sockmalloc_ring_*.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_REMOTE_BUFFERS_H
#define SOCKMALLOC_REMOTE_BUFFERS_H

#include "buffers/message_thread.h"
#include "buffers/ring_memory.h"
#include "command/remote_process.h"

/* The most types of messages whose statistics are read for one set of message pages (made by sockmalloc_message_open):
 * the first types in the set's table. */
enum { REMOTE_TYPES = 16 };

/* The columns of a row: name, unit, true if the figure only grows, meaning. */
#define REMOTE_MESSAGE_ROWS(ROW)                                                                                       \
    ROW(pages, "pages", false, "pages that were ever used")                                                            \
    ROW(used, "pages", false, "pages that hold messages or that a thread fills")                                       \
    ROW(held, "bytes", false, "bytes of live messages with their headers")                                             \
    ROW(straggler_pages, "pages", false, "pages that no thread fills, held by at most an eighth of their bytes")       \
    ROW(straggler_messages, "messages", false, "messages in the first 64 of these pages")                              \
    ROW(straggler_bytes, "bytes", false, "bytes of the messages that hold these pages")                                \
    ROW(allocated, "messages", true, "messages that were allocated, of all types with statistics")                     \
    ROW(allocated_bytes, "bytes", true, "bytes of the messages that were allocated")
#define REMOTE_RING_ROWS(ROW)                                                                                          \
    ROW(chunks, "chunks", false, "chunks of the whole ring")                                                           \
    ROW(occupied, "chunks", false, "chunks between the free marker and the head, in use or not")                       \
    ROW(oldest_holder, "", false, "number of the holder of the message at the free marker, or 0")                      \
    ROW(allocated, "messages", true, "messages that were allocated")                                                   \
    ROW(allocated_bytes, "bytes", true, "bytes of the messages that were allocated")

#define REMOTE_FIELD(name, unit, grows, help) uint64_t name;
struct remote_message {
    /* name of the message pages, as the process has stored it; it may contain any byte but ends with a NUL */
    char name[BUFFER_NAME_SIZE];
    uint64_t size; /* size of a page in bytes */
    struct remote_message_figures {
        REMOTE_MESSAGE_ROWS(REMOTE_FIELD)
    } figures;
    struct remote_type {
        uint64_t allocated;
        uint64_t allocated_bytes;
    } type[REMOTE_TYPES];
};

struct remote_ring {
    char name[BUFFER_NAME_SIZE];
    uint64_t size; /* bytes of a chunk; a message takes as many neighbouring chunks as it needs */
    struct remote_ring_figures {
        REMOTE_RING_ROWS(REMOTE_FIELD)
    } figures;
};
#undef REMOTE_FIELD

struct remote_buffers {
    unsigned messages;
    unsigned rings;
    struct remote_message message[MESSAGE_OBJECTS];
    struct remote_ring ring[RING_SHOWN];
};

/*
 * Reads the message pages and rings of a process. remote_process_find must have found its exported structure. Each
 * count in the process's memory is bounded before it is used: at most 512 threads are read, and at most 65,536 pages of
 * each set of message pages. Memory that cannot be copied is treated as empty. At most 2 MiB are copied for the
 * threads. For each set of message pages, at most 4 MiB of records of pages, the content of 64 pages, and 21 KiB of
 * statistics for each thread are copied.
 */
enum remote_process_state remote_buffers_read(const struct remote_process *target, struct remote_buffers *buffers);

/* Sets all figures but the counters to zero. This function is for a process that has ended, because such a process
 * holds no memory, but its counters stay valid. */
void remote_buffers_keep_counters(struct remote_buffers *buffers);

/*
 * Adds the message pages and rings of another process to *sum. Message pages with equal names and page sizes are added
 * up. Rings with equal names and chunk sizes count as one ring that both processes have mapped, and of each of its
 * counters the greater value is taken; the other figures of such a ring stay as they are in *sum. Message pages and
 * rings for which the arrays of *sum have no room are left out.
 */
void remote_buffers_add(struct remote_buffers *sum, const struct remote_buffers *buffers);

#endif
