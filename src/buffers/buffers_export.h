/* Says where another process finds the buffers of a process that has loaded libsockmalloc-buffers.so, the library that
 * has no malloc. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_BUFFERS_EXPORT_H
#define SOCKMALLOC_BUFFERS_EXPORT_H

#include <stdint.h>

#include "base/span.h"
#include "buffers/fixed_table.h"
#include "buffers/message_page.h"
#include "buffers/message_thread.h"
#include "buffers/ring_memory.h"

/*
 * libsockmalloc-buffers.so has one struct buffers_export among its variables, by which the command `sockmalloc` finds
 * pools, message pages and rings. Each of BUFFERS_EXPORT_ROWS has a name and the memory where one kind of them is
 * found. A process with libsockmalloc.so has a struct inspect_export instead, whose list has rows with the same names
 * for the same memory.
 */
#define BUFFERS_EXPORT_MAGIC "sockmalloc pool" /* 16 bytes with the NUL at the end */
enum { BUFFERS_EXPORT_MAGIC_SIZE = 16, BUFFERS_EXPORT_LIBRARY_SIZE = 24, BUFFERS_EXPORT_SIZES = 10 };

#define BUFFERS_EXPORT_ROWS(ROW)                                                                                       \
    ROW(FIXED, fixed_table_span())                                                                                     \
    ROW(MESSAGE_PAGES, ((struct span){message_objects, sizeof message_objects}))                                       \
    ROW(MESSAGE_THREADS, message_threads_span())                                                                       \
    ROW(RINGS, ring_table_span())

enum buffers_export_object {
#define BUFFERS_EXPORT_OBJECT(name, span) BUFFERS_EXPORT_##name,
    BUFFERS_EXPORT_ROWS(BUFFERS_EXPORT_OBJECT)
#undef BUFFERS_EXPORT_OBJECT
        BUFFERS_EXPORT_OBJECTS
};

/* The sizes of the records that the command `sockmalloc` copies from the process. The command must have been compiled
 * with the same sizes. */
#define BUFFERS_EXPORT_SIZE_LIST                                                                                       \
    {                                                                                                                  \
        sizeof(struct fixed_pool), sizeof(struct fixed_chunk), sizeof(struct fixed_place), sizeof(struct fixed_cache), \
            sizeof(struct fixed_magazine), sizeof(struct fixed_processor), sizeof(struct sockmalloc_message),          \
            sizeof(struct message_thread), sizeof(struct message_page), sizeof(struct sockmalloc_ring)                 \
    }

/* The layout may differ between versions of the library, but `magic` and `library` have the same offsets in every
 * version. */
struct buffers_export {
    _Alignas(64) char magic[BUFFERS_EXPORT_MAGIC_SIZE];
    char library[BUFFERS_EXPORT_LIBRARY_SIZE]; /* the version of the library */
    uint32_t size[BUFFERS_EXPORT_SIZES];       /* BUFFERS_EXPORT_SIZE_LIST */
    /* the structure's own address, by which a reader tells the structure from a copy of it; NULL until start-up has
     * ended */
    _Atomic(struct buffers_export *) self;
    struct span object[BUFFERS_EXPORT_OBJECTS]; /* the memory that each of BUFFERS_EXPORT_ROWS describes */
};

#endif
