/* The pages that messages are allocated in: a range of addresses, a record for each page, and stacks of empty pages. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_MESSAGE_PAGE_H
#define SOCKMALLOC_MESSAGE_PAGE_H

#include <sockmalloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/stack.h"

/*
 * A page is filled from its start to its end:
 *
 *     | unit        | message ... | rest |  header | message ...       | header | message ...  |  unused |
 *     ^ page start  ^ first message, aligned to a unit (16 or 64 bytes)
 *
 * The header of a message is one word, in the eight bytes in front of it: the size, the type, and a check that tells a
 * live message, a freed one and anything else apart. The check contains the address of the message, so that bytes which
 * were copied from another header are no header.
 *
 * A page is `held` by the bytes of its messages, and not by their number, because the thread that fills the page then
 * needs no counter: it knows the bytes from where the next message begins. While a thread fills the page, `held` is 0
 * less what other threads have freed. When the thread is done, it adds the bytes of all messages less what it has freed
 * itself. So `held` becomes 0 by a subtraction only after the page is full, and whichever thread makes it 0 recycles
 * the page. (Linux has counts with a bias for the same reason: page_frag_alloc_align in mm/page_frag_cache.c.)
 *
 * The records of the pages lie in a table apart, where no message can overwrite them.
 */
struct message_page {
    _Alignas(CACHE_LINE) _Atomic int64_t held; /* bytes; more than 0 only in a page that no thread fills any more */
    _Atomic bool used;                         /* false in a page that is empty, or was never used */
};

enum {
    MESSAGE_HEADER = sizeof(uint64_t),
    MESSAGE_TYPE_SHIFT = 24, /* the size of a message is less than the 4 MiB of the largest page */
    MESSAGE_CHECK_SHIFT = 32,
    MESSAGE_TYPE_LIMIT = 256,
    MESSAGE_PAGE_LEAST_SHIFT = 12,
    MESSAGE_PAGE_MOST_SHIFT = 22,
};

/*
 * The first members never change while the object is open, and every allocation and free reads them. All of them are 0
 * in an object that is closed: then no type is valid, and no address lies in its pages.
 */
struct sockmalloc_message {
    _Alignas(CACHE_LINE) size_t largest; /* bytes of the largest message */
    char *start;                         /* of the first page; a multiple of the size of a page */
    uintptr_t page_mask;                 /* clears the bits of an address within its page */
    uintptr_t unit_mask;                 /* clears the bits of an address within its unit */
    size_t round;                        /* a header and a unit, less 1: what is added before unit_mask rounds up */
    uint64_t live;                       /* the header of a message of no bytes and type 0 at an address of 0 */
    uint32_t cache_offset;               /* where the object's part of a thread's record begins, in bytes */
    uint32_t types;                      /* types from 0 to types - 1 are valid */

    struct message_page *page; /* a record for each page */
    stack_link *link;          /* a link for each page */
    size_t unit;               /* 16 or 64: messages begin at a multiple of this many bytes */
    uint32_t page_shift;
    bool serves_malloc; /* true if the program knows of no messages, but calls malloc and free */
    uint32_t pages;     /* how many pages may ever be used */
    uint32_t counted;   /* how many types have statistics: all or none */
    size_t keep;        /* bytes of empty pages that keep their memory */
    struct stack empty;
    struct stack returned;                       /* empty pages whose memory went back to the kernel */
    _Alignas(CACHE_LINE) _Atomic uint32_t front; /* pages that were ever used; all later ones are untouched */
    _Atomic uint64_t kept; /* pages on `empty` or just about to be; counted only if `keep` limits */
};

/* Returns the size of the pages in bytes. */
static inline size_t message_page_size(const struct sockmalloc_message *messages)
{
    return (size_t)1 << messages->page_shift;
}

static inline char *message_page_start(const struct sockmalloc_message *messages, uint32_t number)
{
    return messages->start + ((size_t)number << messages->page_shift);
}

/* Returns the number of the page in which an address of the range lies. */
static inline uint32_t message_page_number(const struct sockmalloc_message *messages, const char *address)
{
    return (uint32_t)((size_t)(address - messages->start) >> messages->page_shift);
}

static inline _Atomic uint64_t *message_header(char *message)
{
    return (_Atomic uint64_t *)(void *)(message - MESSAGE_HEADER);
}

/* Returns how many bytes of its page a message of `size` bytes takes, with the header of the next message. */
static inline size_t message_extent(const struct sockmalloc_message *messages, size_t size)
{
    return (size + messages->round) & messages->unit_mask;
}

/* Return the size in bytes and the type that a header names. */
static inline size_t message_header_size(uint64_t header)
{
    return header & ((1U << MESSAGE_TYPE_SHIFT) - 1);
}

static inline unsigned message_header_type(uint64_t header)
{
    return (uint8_t)(header >> MESSAGE_TYPE_SHIFT);
}

/* Makes a message at this address live. */
static inline void message_begin(const struct sockmalloc_message *messages, char *message, size_t size, unsigned type)
{
    uint64_t check = messages->live + ((uint64_t)(uintptr_t)message << MESSAGE_CHECK_SHIFT);
    uint64_t sort = type << MESSAGE_TYPE_SHIFT;
    atomic_store_explicit(message_header(message), check | sort | size, memory_order_relaxed);
}

/*
 * Returns the difference between the check of a header and the one that a live message has at this address: 0 if the
 * message is live and 1 if it is freed. No live message has the check of a freed one, because messages begin at
 * different units.
 */
static inline uint32_t message_state(const struct sockmalloc_message *messages, const char *message, uint64_t header)
{
    return (uint32_t)((header - messages->live) >> MESSAGE_CHECK_SHIFT) - (uint32_t)(uintptr_t)message;
}

static inline bool message_is_live(const struct sockmalloc_message *messages, const char *message, uint64_t header)
{
    return message_state(messages, message, header) == 0;
}

static inline bool message_is_freed(const struct sockmalloc_message *messages, const char *message, uint64_t header)
{
    return message_state(messages, message, header) == 1;
}

/* Marks a live message, which has this header, as freed. */
static inline void message_end(char *message, uint64_t header)
{
    atomic_store_explicit(message_header(message), header + (UINT64_C(1) << MESSAGE_CHECK_SHIFT), memory_order_relaxed);
}

/*
 * Maps the pages of an object, and fills in all members but `cache_offset`, `types` and `counted`. `options` are valid.
 * Returns false, with nothing changed, if the kernel refuses.
 */
INTERNAL bool message_pages_open(struct sockmalloc_message *messages, const struct sockmalloc_message_options *options);

/* Unmaps all pages, and sets all members to 0. */
INTERNAL void message_pages_close(struct sockmalloc_message *messages);

#define MESSAGE_NO_PAGE UINT32_MAX

/* Returns the number of an empty page, which is now the caller's to fill, or MESSAGE_NO_PAGE if all are in use. */
INTERNAL uint32_t message_page_take(struct sockmalloc_message *messages);

/* Recycles a page that nothing holds. Its memory goes back to the kernel if enough pages are kept. */
INTERNAL void message_page_put(struct sockmalloc_message *messages, uint32_t number);

/* Adds `bytes` to what holds a page. The page must not be recycled meanwhile. Recycles the page if the sum is 0. */
INTERNAL void message_page_hold(struct sockmalloc_message *messages, uint32_t number, int64_t bytes);

/*
 * Keeps a page from being recycled, if messages hold it that no thread adds to any more. Returns how many bytes of
 * messages hold it; or 0 if the page is empty, or a thread fills it, and then there is nothing to be undone.
 * message_page_unpin undoes it.
 */
INTERNAL size_t message_page_pin(struct sockmalloc_message *messages, uint32_t number);
INTERNAL void message_page_unpin(struct sockmalloc_message *messages, uint32_t number);

/*
 * Returns the first message of a page that is live, if `after` is NULL, or the next live one behind the message
 * `after`. Returns NULL if there is none. *header becomes the message's header. The page must be pinned or unchanging.
 */
INTERNAL char *message_page_next(const struct sockmalloc_message *messages, uint32_t number, char *after,
                                 uint64_t *header);

/* Gives the memory of empty pages back until at most `keep` bytes of them have memory. Returns how many bytes of pages
 * went back. */
INTERNAL size_t message_pages_trim(struct sockmalloc_message *messages, size_t keep);

/*
 * Finds the empty pages again in the child of a fork, where no other thread is. `mine` is the page that the calling
 * thread fills, or MESSAGE_NO_PAGE. A page that another thread of the parent was filling is held by its live messages
 * from then on.
 */
INTERNAL void message_pages_after_fork(struct sockmalloc_message *messages, uint32_t mine);

#endif
