/*
 * Reads the figures of another process's named message pages and rings. The process uses them by the functions
 * sockmalloc_message_* and sockmalloc_ring_*.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/remote_buffers.h"

#include <string.h>

#include "base/bounds.h"

enum {
    THREADS = 512,
    PAGES = 65536,
    PAGES_AT_ONCE = 4096,
    PAGES_WALKED = 64,
    STRAGGLER_PARTS = 8, /* the live messages of a page count as stragglers if they fill at most 1/8 of the page */
};

/* Buffers for copies of the other process's memory. */
static struct {
    struct sockmalloc_message object[MESSAGE_OBJECTS];
    struct message_thread thread[THREADS];
    struct message_page page[PAGES_AT_ONCE];
    struct size_statistics type[REMOTE_TYPES];
    _Alignas(CACHE_LINE) char content[1 << MESSAGE_PAGE_MOST_SHIFT];
} copy;
static unsigned threads;

static bool read_memory(const struct remote_process *target, void *to, const void *from, size_t size)
{
    return remote_process_copy(target, to, from, size) == REMOTE_READ;
}

static void copy_name(char to[BUFFER_NAME_SIZE], const char from[BUFFER_NAME_SIZE])
{
    memcpy(to, from, BUFFER_NAME_SIZE - 1);
    to[BUFFER_NAME_SIZE - 1] = '\0';
}

/* Copies the records of the process's threads, at most THREADS of them, beginning with the newest record. */
static void bring_threads(const struct remote_process *target, const void *newest)
{
    const struct message_thread *thread = NULL;
    threads = 0;
    bool is_there = read_memory(target, &thread, newest, sizeof(void *));
    while (is_there && thread != NULL && threads < THREADS &&
           read_memory(target, &copy.thread[threads], thread, sizeof *thread)) {
        thread = copy.thread[threads++].older;
    }
}

static bool makes_sense(const struct sockmalloc_message *messages)
{
    return messages->page_shift >= MESSAGE_PAGE_LEAST_SHIFT && messages->page_shift <= MESSAGE_PAGE_MOST_SHIFT &&
           (messages->unit == 16 || messages->unit == CACHE_LINE) && messages->unit_mask == -messages->unit &&
           messages->round == MESSAGE_HEADER + messages->unit - 1;
}

/*
 * Counts the live messages of a page. copy.content has a copy of the page. The header of a message is computed from the
 * message's address in the other process, so the header is checked with that address, and not with the address in the
 * copy.
 */
static uint64_t count_messages(const struct sockmalloc_message *messages, uint32_t number)
{
    size_t size = message_page_size(messages);
    const char *start = message_page_start(messages, number);
    uint64_t count = 0;
    for (size_t at = messages->unit; at < size;) {
        uint64_t header;
        memcpy(&header, copy.content + at - MESSAGE_HEADER, sizeof header);
        bool is_live = message_is_live(messages, start + at, header);
        if (!is_live && !message_is_freed(messages, start + at, header)) {
            break;
        }
        count += is_live;
        at += message_extent(messages, message_header_size(header));
    }
    return count;
}

/* Adds the figures of one message page to `found`. `messages` is the record of the set of message pages (made by
 * sockmalloc_message_open) to which the page belongs. */
static void add_page(const struct remote_process *target, const struct sockmalloc_message *messages, uint32_t number,
                     const struct message_page *page, struct remote_message *found)
{
    size_t size = message_page_size(messages);
    int64_t held = atomic_load_explicit(&page->held, memory_order_relaxed);
    /*
     * the flag is read as a byte, because the memory of another process may hold a value that is not valid for a bool
     */
    bool used = *(const uint8_t *)(const void *)&page->used != 0;
    found->figures.used += used;
    found->figures.held += (uint64_t)held;
    if (!used || held <= 0 || (uint64_t)held > size / STRAGGLER_PARTS) {
        return;
    }
    found->figures.straggler_bytes += (uint64_t)held;
    if (found->figures.straggler_pages++ < PAGES_WALKED &&
        read_memory(target, copy.content, message_page_start(messages, number), size)) {
        found->figures.straggler_messages += count_messages(messages, number);
    }
}

static void add_pages(const struct remote_process *target, const struct sockmalloc_message *messages,
                      struct remote_message *found)
{
    uint32_t front = atomic_load_explicit(&messages->front, memory_order_relaxed);
    found->figures.pages = LESSER(front, messages->pages);
    uint32_t pages = (uint32_t)LESSER(found->figures.pages, PAGES);
    for (uint32_t first = 0; first < pages; first += PAGES_AT_ONCE) {
        uint32_t count = LESSER(pages - first, PAGES_AT_ONCE);
        if (!read_memory(target, copy.page, messages->page + first, count * sizeof *copy.page)) {
            return;
        }
        for (uint32_t i = 0; i < count; i++) {
            add_page(target, messages, first + i, &copy.page[i], found);
        }
    }
}

/*
 * Adds the figures that a thread keeps for one set of message pages (made by sockmalloc_message_open). The first figure
 * is the bytes that live messages take in the page that the thread fills. From these are subtracted the bytes that the
 * thread has freed in another page and has not yet subtracted from that page's figures. The other figures are the
 * statistics of the messages that the thread has allocated.
 */
static void add_thread(const struct remote_process *target, const struct sockmalloc_message *messages,
                       const struct message_cache *cache, struct remote_message *found)
{
    uint32_t types = LESSER(messages->counted, REMOTE_TYPES);
    const struct size_statistics *statistics = message_statistics_of(cache);
    found->figures.held += (uint64_t)message_cache_held(messages, cache) - counter_read(&cache->pending);
    if (statistics == NULL || !read_memory(target, copy.type, statistics, types * sizeof *copy.type)) {
        return;
    }
    for (uint32_t type = 0; type < types; type++) {
        struct size_figures sum = {0};
        size_statistics_sum(&sum, &copy.type[type]);
        found->type[type].allocated += sum.count;
        found->type[type].allocated_bytes += sum.bytes;
        found->figures.allocated += sum.count;
        found->figures.allocated_bytes += sum.bytes;
    }
}

static void read_messages(const struct remote_process *target, unsigned object, struct remote_message *found)
{
    const struct sockmalloc_message *messages = &copy.object[object];
    *found = (struct remote_message){.size = message_page_size(messages)};
    copy_name(found->name, messages->name);
    add_pages(target, messages, found);
    for (unsigned thread = 0; thread < threads; thread++) {
        add_thread(target, messages, &copy.thread[thread].cache[object], found);
    }
    /* the sum may be negative, because the figures that were added up changed while they were copied */
    int64_t held = (int64_t)found->figures.held;
    found->figures.held = (uint64_t)GREATER(held, 0);
}

/* Reads the record of a ring in the process's memory, and then the header in the memory that the ring manages. Returns
 * false if there is no ring, or if its memory cannot be read. */
static bool read_ring(const struct remote_process *target, const struct sockmalloc_ring *ring,
                      struct remote_ring *found)
{
    static struct sockmalloc_ring own;
    static struct ring_header header;
    struct ring_chunk oldest;
    if (!read_memory(target, &own, ring, sizeof own) || own.name[0] == '\0' ||
        !read_memory(target, &header, own.header, sizeof header)) {
        return false;
    }
    *found = (struct remote_ring){.size = own.chunk_size, .figures.chunks = own.chunks};
    copy_name(found->name, own.name);
    for (unsigned type = 0; type < SOCKMALLOC_RING_TYPES; type++) {
        found->figures.allocated += atomic_load_explicit(&header.types[type].count, memory_order_relaxed);
        found->figures.allocated_bytes += atomic_load_explicit(&header.types[type].bytes, memory_order_relaxed);
    }
    uint64_t marker = atomic_load_explicit(&header.marker, memory_order_relaxed);
    uint32_t occupied;
    if (ring_occupied(&own, marker, atomic_load_explicit(&header.head, memory_order_relaxed), &occupied) &&
        occupied > 0 && read_memory(target, &oldest, own.states + ring_chunk(marker), sizeof oldest)) {
        uint64_t state = atomic_load_explicit(&oldest.state, memory_order_relaxed);
        found->figures.occupied = occupied;
        found->figures.oldest_holder = ring_is_in_use(state) ? ring_state_holder(state) : 0;
    }
    return true;
}

static void read_rings(const struct remote_process *target, const void *table, struct remote_buffers *buffers)
{
    const struct sockmalloc_ring *ring[RING_SHOWN];
    bool is_there = read_memory(target, ring, table, sizeof ring);
    for (unsigned i = 0; is_there && i < RING_SHOWN; i++) {
        if (ring[i] != NULL && read_ring(target, ring[i], &buffers->ring[buffers->rings])) {
            buffers->rings++;
        }
    }
}

enum remote_process_state remote_buffers_read(const struct remote_process *target, struct remote_buffers *buffers)
{
    const struct span *object = target->view.object;
    buffers->messages = buffers->rings = 0;
    if (object[INSPECT_MESSAGE_PAGES].size != sizeof copy.object ||
        object[INSPECT_RINGS].size != RING_SHOWN * sizeof(void *)) {
        return REMOTE_OTHER;
    }
    enum remote_process_state state =
        remote_process_copy(target, copy.object, object[INSPECT_MESSAGE_PAGES].start, sizeof copy.object);
    if (state != REMOTE_READ) {
        return state;
    }
    bring_threads(target, object[INSPECT_MESSAGE_THREADS].start);
    for (unsigned i = 0; i < MESSAGE_OBJECTS; i++) {
        if (copy.object[i].types != 0 && copy.object[i].name[0] != '\0' && makes_sense(&copy.object[i])) {
            read_messages(target, i, &buffers->message[buffers->messages++]);
        }
    }
    read_rings(target, object[INSPECT_RINGS].start, buffers);
    return REMOTE_READ;
}

void remote_buffers_keep_counters(struct remote_buffers *buffers)
{
#define KEEP(name, unit, grows, help) figures->name *= grows;
    for (unsigned i = 0; i < buffers->messages; i++) {
        struct remote_message_figures *figures = &buffers->message[i].figures;
        REMOTE_MESSAGE_ROWS(KEEP)
    }
    for (unsigned i = 0; i < buffers->rings; i++) {
        struct remote_ring_figures *figures = &buffers->ring[i].figures;
        REMOTE_RING_ROWS(KEEP)
    }
#undef KEEP
}

/*
 * Returns the entry of `sum` for message pages of this name and page size. Adds an empty entry if there is none.
 * Returns NULL if the array is full.
 */
static struct remote_message *find_messages(struct remote_buffers *sum, const struct remote_message *message)
{
    unsigned at = 0;
    while (at < sum->messages &&
           (sum->message[at].size != message->size || strcmp(sum->message[at].name, message->name) != 0)) {
        at++;
    }
    if (at == MESSAGE_OBJECTS) {
        return NULL;
    }
    if (at == sum->messages) {
        sum->message[sum->messages] = (struct remote_message){.size = message->size};
        copy_name(sum->message[sum->messages++].name, message->name);
    }
    return &sum->message[at];
}

static void add_messages(struct remote_message *sum, const struct remote_message *message)
{
#define ADD(name, unit, grows, help) sum->figures.name += message->figures.name;
    REMOTE_MESSAGE_ROWS(ADD)
#undef ADD
    for (unsigned type = 0; type < REMOTE_TYPES; type++) {
        sum->type[type].allocated += message->type[type].allocated;
        sum->type[type].allocated_bytes += message->type[type].allocated_bytes;
    }
}

/* Returns the entry of `sum` for rings of this name and chunk size, or NULL if there is none. */
static struct remote_ring *find_ring(struct remote_buffers *sum, const struct remote_ring *ring)
{
    unsigned at = 0;
    while (at < sum->rings && (sum->ring[at].size != ring->size || strcmp(sum->ring[at].name, ring->name) != 0)) {
        at++;
    }
    return at < sum->rings ? &sum->ring[at] : NULL;
}

/*
 * Joins the figures of a ring with those that were read from another process which has mapped the ring as well. A
 * counter of the ring only grows, so the greater of two values was read later. The greater value is kept, because the
 * counters of a sum must not fall when a process ends. The other figures of `sum` stay as they are.
 */
static void join_ring(struct remote_ring *sum, const struct remote_ring *ring)
{
#define JOIN(name, unit, grows, help)                                                                                  \
    sum->figures.name = (grows) ? GREATER(sum->figures.name, ring->figures.name) : sum->figures.name;
    REMOTE_RING_ROWS(JOIN)
#undef JOIN
}

void remote_buffers_add(struct remote_buffers *sum, const struct remote_buffers *buffers)
{
    for (unsigned i = 0; i < buffers->messages; i++) {
        struct remote_message *to = find_messages(sum, &buffers->message[i]);
        if (to != NULL) {
            add_messages(to, &buffers->message[i]);
        }
    }
    for (unsigned i = 0; i < buffers->rings; i++) {
        struct remote_ring *same = find_ring(sum, &buffers->ring[i]);
        if (same != NULL) {
            join_ring(same, &buffers->ring[i]);
        } else if (sum->rings < RING_SHOWN) {
            sum->ring[sum->rings++] = buffers->ring[i];
        }
    }
}
