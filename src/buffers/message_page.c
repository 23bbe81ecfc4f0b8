/* Manages the pages in which messages are allocated: a range of addresses, a record for each page, and the stacks of
 * empty pages. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "buffers/message_page.h"

#include <string.h>

#include "base/bounds.h"
#include "buffers/buffer_memory.h"
#include "os/os.h"

/* message_page_pin adds this number to `held` of a page, so that `held` cannot become 0 and the page is not reused. The
 * number is larger than the bytes of all messages in a page. */
#define MESSAGE_PIN ((int64_t)1 << 40)

static size_t message_records_size(uint32_t pages)
{
    return os_round_to_pages(pages * sizeof(struct message_page));
}

static size_t message_tables_size(uint32_t pages)
{
    return message_records_size(pages) + os_round_to_pages(pages * sizeof(stack_link));
}

/*
 * Returns how many bytes are mapped in front of the first page. They exist because sockmalloc_message_free reads a
 * header from the eight bytes in front of an address before it knows that a message begins at the address. So these
 * bytes must be readable for every address of the pages.
 */
static size_t message_range_before(size_t page_size)
{
    return GREATER(page_size, os_page_size());
}

bool message_pages_open(struct sockmalloc_message *messages, const struct sockmalloc_message_options *options)
{
    size_t before = message_range_before(options->page);
    uint32_t pages = (uint32_t)(options->limit / options->page);
    char *range = buffer_map(before + pages * options->page, before);
    char *tables = buffer_map(message_tables_size(pages), 0);
    if (range == NULL || tables == NULL) {
        if (range != NULL) {
            buffer_unmap(range, before + pages * options->page);
        }
        if (tables != NULL) {
            buffer_unmap(tables, message_tables_size(pages));
        }
        return false;
    }
    messages->start = range + before;
    messages->page_mask = ~(uintptr_t)(options->page - 1);
    messages->page_shift = (unsigned)__builtin_ctzl(options->page);
    messages->unit = options->alignment;
    messages->unit_mask = ~(uintptr_t)(options->alignment - 1);
    messages->round = MESSAGE_HEADER + options->alignment - 1;
    messages->largest = options->page - 2 * options->alignment;
    messages->page = (struct message_page *)(void *)tables;
    messages->link = (stack_link *)(void *)(tables + message_records_size(pages));
    messages->pages = pages;
    messages->keep = options->keep;
    /* The check in a header, by which a valid header is recognized, depends on the address of the pages. That address
     * differs from process to process, so nobody outside the process can forge a valid header. */
    messages->live = ((uintptr_t)messages->start >> MESSAGE_PAGE_LEAST_SHIFT) * UINT32_C(0x9E3779B2)
                     << MESSAGE_CHECK_SHIFT;
    return true;
}

void message_pages_close(struct sockmalloc_message *messages)
{
    size_t before = message_range_before(message_page_size(messages));
    char *range = messages->start - before;
    size_t size = before + ((size_t)messages->pages << messages->page_shift);
    char *tables = (char *)messages->page;
    uint32_t pages = messages->pages;
    memset(messages, 0, sizeof *messages);
    buffer_unmap(range, size);
    buffer_unmap(tables, message_tables_size(pages));
}

/* Returns the number of a page that was never used, or MESSAGE_NO_PAGE if all have been used. */
static uint32_t message_page_carve(struct sockmalloc_message *messages)
{
    uint32_t front = atomic_load_explicit(&messages->front, memory_order_relaxed);
    do {
        if (front == messages->pages) {
            return MESSAGE_NO_PAGE;
        }
    } while (!atomic_compare_exchange_weak_explicit(&messages->front, &front, front + 1, memory_order_relaxed,
                                                    memory_order_relaxed));
    return front;
}

static bool message_keeps_all(const struct sockmalloc_message *messages)
{
    return messages->keep == SIZE_MAX;
}

/* Returns the number of an empty page: if there is one that has kept its memory, such a page; then a page whose memory
 * was given back; then a page that was never used. Returns MESSAGE_NO_PAGE if all pages are in use. */
static uint32_t message_page_find(struct sockmalloc_message *messages)
{
    uint32_t number = stack_pop(&messages->empty, messages->link, 0);
    if (number != STACK_EMPTY) {
        if (!message_keeps_all(messages)) {
            atomic_fetch_sub_explicit(&messages->kept, 1, memory_order_relaxed);
        }
        return number;
    }
    number = stack_pop(&messages->returned, messages->link, 0);
    return number != STACK_EMPTY ? number : message_page_carve(messages);
}

uint32_t message_page_take(struct sockmalloc_message *messages)
{
    uint32_t number = message_page_find(messages);
    if (number != MESSAGE_NO_PAGE) {
        atomic_store_explicit(&messages->page[number].used, true, memory_order_relaxed);
    }
    return number;
}

/* Gives the memory of an empty page back to the kernel, and pushes the page onto the stack `returned`. Returns false,
 * and does nothing, if the kernel refuses, or if a message page is smaller than a page of the kernel. */
static bool message_page_return(struct sockmalloc_message *messages, uint32_t number)
{
    size_t size = message_page_size(messages);
    if (size < os_page_size() || !os_discard(message_page_start(messages, number), size)) {
        return false;
    }
    stack_push(&messages->returned, messages->link, 0, number);
    return true;
}

static void message_page_keep(struct sockmalloc_message *messages, uint32_t number)
{
    stack_push(&messages->empty, messages->link, 0, number);
}

void message_page_put(struct sockmalloc_message *messages, uint32_t number)
{
    atomic_store_explicit(&messages->page[number].used, false, memory_order_relaxed);
    if (message_keeps_all(messages)) {
        message_page_keep(messages, number);
        return;
    }
    uint64_t kept = atomic_fetch_add_explicit(&messages->kept, 1, memory_order_relaxed);
    if (kept < messages->keep >> messages->page_shift) {
        message_page_keep(messages, number);
        return;
    }
    atomic_fetch_sub_explicit(&messages->kept, 1, memory_order_relaxed);
    if (!message_page_return(messages, number)) {
        atomic_fetch_add_explicit(&messages->kept, 1, memory_order_relaxed);
        message_page_keep(messages, number);
    }
}

void message_page_hold(struct sockmalloc_message *messages, uint32_t number, int64_t bytes)
{
    /*
     * Release: what this thread has read and written in its messages happens before the page is used again. Acquire:
     * what all other threads have read and written in their messages happens before this thread makes the page ready
     * for reuse.
     */
    if (atomic_fetch_add_explicit(&messages->page[number].held, bytes, memory_order_acq_rel) == -bytes) {
        message_page_put(messages, number);
    }
}

size_t message_page_pin(struct sockmalloc_message *messages, uint32_t number)
{
    _Atomic int64_t *held = &messages->page[number].held;
    int64_t seen = atomic_load_explicit(held, memory_order_relaxed);
    do {
        if (seen <= 0 || seen % MESSAGE_PIN == 0) {
            /*
             * the page has no messages; if another thread has pinned the page, it becomes reusable when that thread
             * unpins it
             */
            return 0;
        }
    } while (!atomic_compare_exchange_weak_explicit(held, &seen, seen + MESSAGE_PIN, memory_order_acquire,
                                                    memory_order_relaxed));
    return (size_t)(seen % MESSAGE_PIN);
}

void message_page_unpin(struct sockmalloc_message *messages, uint32_t number)
{
    message_page_hold(messages, number, -MESSAGE_PIN);
}

char *message_page_next(const struct sockmalloc_message *messages, uint32_t number, char *after, uint64_t *header)
{
    char *end = message_page_start(messages, number) + message_page_size(messages);
    char *message = after;
    if (after == NULL) {
        message = message_page_start(messages, number) + messages->unit;
    } else {
        message += message_extent(messages, message_header_size(*header));
    }
    while (message < end) {
        *header = atomic_load_explicit(message_header(message), memory_order_relaxed);
        if (message_is_live(messages, message, *header)) {
            return message;
        }
        if (!message_is_freed(messages, message, *header)) {
            return NULL;
        }
        message += message_extent(messages, message_header_size(*header));
    }
    return NULL;
}

size_t message_pages_trim(struct sockmalloc_message *messages, size_t keep)
{
    struct stack kept = {0};
    size_t given = 0;
    size_t left = keep >> messages->page_shift;
    uint32_t number;
    while ((number = stack_pop(&messages->empty, messages->link, 0)) != STACK_EMPTY) {
        if (left > 0 || !message_page_return(messages, number)) {
            left -= left > 0;
            stack_push(&kept, messages->link, 0, number);
            continue;
        }
        given += message_page_size(messages);
        if (!message_keeps_all(messages)) {
            atomic_fetch_sub_explicit(&messages->kept, 1, memory_order_relaxed);
        }
    }
    while ((number = stack_pop(&kept, messages->link, 0)) != STACK_EMPTY) {
        message_page_keep(messages, number);
    }
    return given;
}

/* Sets `held` of the page to the number of bytes that its live messages take. */
static void message_page_recount(struct sockmalloc_message *messages, uint32_t number)
{
    uint64_t header;
    size_t held = 0;
    for (char *message = message_page_next(messages, number, NULL, &header); message != NULL;
         message = message_page_next(messages, number, message, &header)) {
        held += message_extent(messages, message_header_size(header));
    }
    atomic_store_explicit(&messages->page[number].held, (int64_t)held, memory_order_relaxed);
}

/* Used in the child of a fork. Returns true if the page has no live messages. A page that a thread of the parent was
 * filling has a `held` of 0 or less, so its live messages are counted first. */
static bool message_page_is_free(struct sockmalloc_message *messages, uint32_t number)
{
    struct message_page *page = &messages->page[number];
    if (atomic_load_explicit(&page->used, memory_order_relaxed) &&
        atomic_load_explicit(&page->held, memory_order_relaxed) <= 0) {
        message_page_recount(messages, number);
    }
    return atomic_load_explicit(&page->held, memory_order_relaxed) == 0;
}

void message_pages_after_fork(struct sockmalloc_message *messages, uint32_t mine)
{
    stack_reset(&messages->empty);
    stack_reset(&messages->returned);
    atomic_store_explicit(&messages->kept, 0, memory_order_relaxed);
    for (uint32_t number = atomic_load_explicit(&messages->front, memory_order_relaxed); number-- > 0;) {
        if (number == mine || !message_page_is_free(messages, number)) {
            continue;
        }
        atomic_store_explicit(&messages->page[number].used, false, memory_order_relaxed);
        atomic_fetch_add_explicit(&messages->kept, 1, memory_order_relaxed);
        message_page_keep(messages, number);
    }
}
