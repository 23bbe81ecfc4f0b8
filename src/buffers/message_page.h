/* Manages the pages in which messages are allocated: a range of addresses, a record for each page, and the stacks of
 * empty pages. */
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
#include "buffers/buffer_memory.h"

/*
 * A page is filled from its start to its end:
 *
 *     | unit        | message ... | rest |  header | message ...       | header | message ...  |  unused |
 *     ^ page start  ^ first message, aligned to a unit (16 or 64 bytes)
 *
 * The header of a message is one word, in the eight bytes in front of it: the size, the type, and a check that tells a
 * live message, a freed message and other bytes apart. The check contains the address of the message, so that a copy of
 * a header at another address is no valid header.
 *
 * `held` of a page counts the bytes of its messages, and not their number, because the thread that fills the page then
 * needs no counter: the address at which the next message begins gives the number of bytes. While a thread fills the
 * page, `held` is minus the bytes that other threads have freed there. When the thread stops filling the page, it adds
 * the bytes of all messages of the page to `held`, less the bytes that this thread has freed itself. So `held` does not
 * become 0 by a subtraction while a thread fills the page. The thread that makes `held` 0 recycles the page. (Linux has
 * counts with a bias for the same reason: page_frag_alloc_align in mm/page_frag_cache.c.)
 *
 * The records of the pages lie in a table apart, where no message can overwrite them.
 */
struct message_page {
    /* the bytes of messages that are not yet freed; while a thread fills the page, minus the bytes that other threads
     * have freed in it */
    _Alignas(CACHE_LINE) _Atomic int64_t held;
    _Atomic bool used; /* false if the page is empty or was never used */
};

enum {
    MESSAGE_HEADER = sizeof(uint64_t),
    /* the lower bits of a header are the size of the message, which is less than 4 MiB, the size of the largest page */
    MESSAGE_TYPE_SHIFT = 24,       /* the type of the message begins at this bit of a header */
    MESSAGE_CHECK_SHIFT = 32,      /* the check begins at this bit of a header */
    MESSAGE_TYPE_LIMIT = 256,      /* the largest number of types */
    MESSAGE_PAGE_LEAST_SHIFT = 12, /* the smallest page has 2^12 bytes, 4 KiB */
    MESSAGE_PAGE_MOST_SHIFT = 22,  /* the largest page has 2^22 bytes, 4 MiB */
};

/*
 * A message object: a set of message pages. The members up to `types` do not change while the object is open, and
 * allocations and frees read them. In a closed object all of these members but `cache_offset` are 0, so no type is
 * valid, and the object has no pages.
 */
struct sockmalloc_message {
    _Alignas(CACHE_LINE) size_t largest; /* the size in bytes of the largest message */
    char *start;                         /* the address of the first page; a multiple of the size of a page */
    uintptr_t page_mask;                 /* an AND with this gives the start of the page in which an address lies */
    uintptr_t unit_mask;                 /* an AND with this rounds an address down to a multiple of `unit` */
    /* the size of a header plus `unit`, less 1; added to a message's size before unit_mask rounds the sum down */
    size_t round;
    /* the header that a live message of 0 bytes and type 0 would have at the address 0 */
    uint64_t live;
    /* the cache for this message object begins this many bytes behind the start of a thread's record */
    uint32_t cache_offset;
    uint32_t types; /* the types from 0 to types - 1 are valid; 0 if the object is closed */

    struct message_page *page; /* the table of pages: one record for each page */
    stack_link *link;          /* the links of the stacks of pages: one for each page */
    size_t unit;               /* 16 or 64: the address of each message is a multiple of this many bytes */
    uint32_t page_shift;
    bool serves_malloc; /* true if the program calls malloc and free, and knows nothing of messages */
    uint32_t pages;     /* how many pages the object may use */
    uint32_t counted;   /* how many types have statistics: `types`, or 0 if none has */
    /* empty pages keep their memory up to this many bytes altogether; the memory of further ones is given back to the
     * kernel */
    size_t keep;
    struct stack empty;    /* empty pages that have kept their memory */
    struct stack returned; /* empty pages whose memory was given back to the kernel */
    /* how many pages were ever used; pages from this number on were never touched */
    _Alignas(CACHE_LINE) _Atomic uint32_t front;
    /* how many pages are on the stack `empty`, or are about to be put there; counted only if `keep` is a limit */
    _Atomic uint64_t kept;
    char name[BUFFER_NAME_SIZE];
};

/* Returns the size in bytes of each page of a message object. */
static inline size_t message_page_size(const struct sockmalloc_message *messages)
{
    return (size_t)1 << messages->page_shift;
}

static inline char *message_page_start(const struct sockmalloc_message *messages, uint32_t number)
{
    return messages->start + ((size_t)number << messages->page_shift);
}

/* Returns the number of the page in which the address lies. The address must lie in a page of the message object. */
static inline uint32_t message_page_number(const struct sockmalloc_message *messages, const char *address)
{
    return (uint32_t)((size_t)(address - messages->start) >> messages->page_shift);
}

static inline _Atomic uint64_t *message_header(char *message)
{
    return (_Atomic uint64_t *)(void *)(message - MESSAGE_HEADER);
}

/* Returns how many bytes of its page a message of `size` bytes takes: the message, the header of the next one, and the
 * padding up to the next message's start. */
static inline size_t message_extent(const struct sockmalloc_message *messages, size_t size)
{
    return (size + messages->round) & messages->unit_mask;
}

/* message_header_size and message_header_type return the size in bytes and the type that a header contains. */
static inline size_t message_header_size(uint64_t header)
{
    return header & ((1U << MESSAGE_TYPE_SHIFT) - 1);
}

static inline unsigned message_header_type(uint64_t header)
{
    return (uint8_t)(header >> MESSAGE_TYPE_SHIFT);
}

/* Writes the header of a live message of this size and type in front of `message`. */
static inline void message_begin(const struct sockmalloc_message *messages, char *message, size_t size, unsigned type)
{
    uint64_t check = messages->live + ((uint64_t)(uintptr_t)message << MESSAGE_CHECK_SHIFT);
    uint64_t sort = type << MESSAGE_TYPE_SHIFT;
    atomic_store_explicit(message_header(message), check | sort | size, memory_order_relaxed);
}

/*
 * Returns 0 if the header is that of a live message at this address, 1 if it is that of a freed one, and another number
 * if it is neither. The number is the difference between the header's check and that of a live message. The check
 * contains the address, and addresses of messages differ by 16 or more, so no live message has the check of a freed
 * one.
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

/* Marks the live message as freed; `header` is its header. */
static inline void message_end(char *message, uint64_t header)
{
    atomic_store_explicit(message_header(message), header + (UINT64_C(1) << MESSAGE_CHECK_SHIFT), memory_order_relaxed);
}

/*
 * Maps the pages of a message object (a set of message pages), and sets the members of `messages` that describe the
 * pages. The caller sets `cache_offset`, `types`, `counted` and `name`. All members must be 0 before, except for
 * `cache_offset`, and the options must be valid. Returns false, and changes nothing, if the kernel refuses the memory.
 */
INTERNAL bool message_pages_open(struct sockmalloc_message *messages, const struct sockmalloc_message_options *options);

/* Unmaps all pages of the message object, and sets all its members to 0. */
INTERNAL void message_pages_close(struct sockmalloc_message *messages);

#define MESSAGE_NO_PAGE UINT32_MAX

/* Returns the number of an empty page, which the caller may fill from now on. Returns MESSAGE_NO_PAGE if all pages are
 * in use. */
INTERNAL uint32_t message_page_take(struct sockmalloc_message *messages);

/* Makes a page without live messages ready for reuse. If the empty pages that keep their memory already have `keep`
 * bytes together, gives the memory of this page back to the kernel. */
INTERNAL void message_page_put(struct sockmalloc_message *messages, uint32_t number);

/* Adds `bytes`, which may be negative, to `held` of the page. If the sum is 0, makes the page ready for reuse. Must not
 * be called for a page that is already ready for reuse. */
INTERNAL void message_page_hold(struct sockmalloc_message *messages, uint32_t number, int64_t bytes);

/*
 * Pins a page that has messages: the page is not reused until message_page_unpin. Returns how many bytes its messages
 * take. If the page is empty, or if a thread is filling it, does nothing and returns 0; the caller then must not unpin
 * it.
 */
INTERNAL size_t message_page_pin(struct sockmalloc_message *messages, uint32_t number);
/* Undoes message_page_pin. If all messages of the page were freed meanwhile, makes the page ready for reuse. */
INTERNAL void message_page_unpin(struct sockmalloc_message *messages, uint32_t number);

/*
 * Returns the first live message of a page if `after` is NULL, and otherwise the next live message behind `after`.
 * Returns NULL if there is none. *header is the header of `after`, and becomes that of the returned message. The page
 * must be pinned, or no thread may change it.
 */
INTERNAL char *message_page_next(const struct sockmalloc_message *messages, uint32_t number, char *after,
                                 uint64_t *header);

/* Gives the memory of empty pages back to the kernel, until the empty pages that keep their memory have at most `keep`
 * bytes. Returns how many bytes were given back. */
INTERNAL size_t message_pages_trim(struct sockmalloc_message *messages, size_t keep);

/*
 * Finds the empty pages again in the child of a fork, in which no other thread runs. `mine` is the number of the page
 * that the calling thread is filling, or MESSAGE_NO_PAGE. A page that another thread of the parent was filling is
 * reused when its live messages have been freed.
 */
INTERNAL void message_pages_after_fork(struct sockmalloc_message *messages, uint32_t mine);

#endif
