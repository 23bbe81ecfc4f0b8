/* Allocates and frees the messages of a ring, a piece of memory that a producer and its consumers share. Frees the
 * messages of dead processes, and reports statistics. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stddef.h>

#include "base/bounds.h"
#include "buffers/ring_memory.h"
#include "config/message.h"
#include "os/os_process.h"

/*
 * A ring is divided into chunks, and two positions move through the chunks: the head, where the next message is
 * allocated, and the free marker. Only the producer moves the two positions. After the last chunk comes the first one
 * again. All chunks from the head up to the marker are known to be free. The chunks from the marker up to the head may
 * be in use. A free changes only the state of the freed message, so threads that free do not disturb each other. The
 * producer looks at the states of messages only when the chunks from the head up to the marker are too few.
 *
 * Each change of the ring is one store or one read-modify-write, and the ring is consistent before and after it. So a
 * process may die at any point. The state of a chunk has no meaning until the head has moved past that chunk.
 */

_Noreturn static COLD void ring_damaged(const struct sockmalloc_ring *ring, uint64_t position, const char *caller)
{
    message_die(MESSAGE_RING_DAMAGED, caller, (void *)ring->header, ring_chunk(position));
}

static void *refuse(int error)
{
    errno = error;
    return NULL;
}

/* Returns the state of the message whose first chunk begins at `message`. Ends the process if no chunk begins there. */
static struct ring_chunk *ring_state_of(const struct sockmalloc_ring *ring, const void *message, const char *caller)
{
    uintptr_t offset = (uintptr_t)message - (uintptr_t)ring->memory;
    uintptr_t chunk = offset / ring->chunk_size;
    if (UNLIKELY(chunk >= ring->chunks || offset != chunk * ring->chunk_size)) {
        message_die(MESSAGE_RING_FOREIGN, caller, message, (void *)ring->header);
    }
    return &ring->states[chunk];
}

_Noreturn static COLD void ring_not_in_use(const struct sockmalloc_ring *ring, const void *message,
                                           const struct ring_chunk *state, const char *caller)
{
    message_die(MESSAGE_RING_FREED, caller, message, (unsigned)(state - ring->states), (void *)ring->header);
}

/*
 * Returns the position that lies `chunks` chunks after `position`. If these chunks end exactly at the end of the ring's
 * memory, returns the position of the memory's start in the next lap, which is one more round through the memory. The
 * chunks must not reach beyond the end.
 */
static uint64_t ring_advance(const struct sockmalloc_ring *ring, uint64_t position, uint32_t chunks)
{
    uint32_t next = ring_chunk(position) + chunks;
    return next < ring->chunks ? ring_position(ring_lap(position), next) : ring_position(ring_lap(position) + 1, 0);
}

/* Reads the positions of the free marker and the head. Returns how many chunks lie from the marker up to the head; only
 * these can be in use. Ends the process if the two positions contradict each other, or lie outside the ring. */
static uint32_t ring_read(const struct sockmalloc_ring *ring, uint64_t *marker, uint64_t *head, const char *caller)
{
    uint32_t occupied;
    *marker = atomic_load_explicit(&ring->header->marker, memory_order_relaxed);
    *head = atomic_load_explicit(&ring->header->head, memory_order_relaxed);
    if (UNLIKELY(!ring_occupied(ring, *marker, *head, &occupied))) {
        ring_damaged(ring, *marker, caller);
    }
    return occupied;
}

/* Moves the free marker over freed messages, up to the first message in use. Returns false if the marker could not
 * move, because the message there is still in use. */
static bool ring_move_marker(struct sockmalloc_ring *ring, const char *caller)
{
    uint64_t marker;
    uint64_t head;
    uint32_t left = ring_read(ring, &marker, &head, caller);
    uint32_t before = left;
    while (left > 0) {
        /* acquire: what the freeing thread has done with the message's chunks happens before this process writes to
         * them again */
        uint64_t state = atomic_load_explicit(&ring->states[ring_chunk(marker)].state, memory_order_acquire);
        uint32_t chunks = ring_state_chunks(state);
        if (chunks == 0 || chunks > left || chunks > ring->chunks - ring_chunk(marker) ||
            !ring_state_is_of_lap(state, ring_lap(marker))) {
            ring_damaged(ring, marker, caller);
        }
        if (ring_is_in_use(state)) {
            break;
        }
        left -= chunks;
        marker = ring_advance(ring, marker, chunks);
    }
    atomic_store_explicit(&ring->header->marker, marker, memory_order_relaxed);
    return left < before;
}

/* Writes `state` as the state of a message of `chunks` chunks that begins at the head, and moves the head past these
 * chunks. */
static void ring_place(struct sockmalloc_ring *ring, uint64_t head, uint32_t chunks, uint64_t state)
{
    /* release: a process that reads this state in sockmalloc_ring_take sees `request`, too, which was stored before */
    atomic_store_explicit(&ring->states[ring_chunk(head)].state, state, memory_order_release);
    atomic_store_explicit(&ring->header->head, ring_advance(ring, head, chunks), memory_order_relaxed);
}

/*
 * Stores in *place the position of `chunks` free chunks at the head. If fewer than `chunks` remain before the end of
 * the ring's memory, marks the remaining ones as one freed message, and looks for free chunks at the start of the
 * memory. Returns false if the ring has too few free chunks.
 */
static bool ring_find_room(struct sockmalloc_ring *ring, uint32_t chunks, uint64_t *place, const char *caller)
{
    for (;;) {
        uint64_t marker;
        uint32_t occupied = ring_read(ring, &marker, place, caller);
        uint32_t before_end = ring->chunks - ring_chunk(*place);
        uint32_t room = LESSER(ring->chunks - occupied, before_end);
        if (LIKELY(chunks <= room)) {
            return true;
        }
        if (room == before_end) {
            ring_place(ring, *place, room, ring_state(ring_lap(*place), 0, room));
        } else if (!ring_move_marker(ring, caller)) {
            return false;
        }
    }
}

static void ring_count(struct ring_type *type, size_t size)
{
    uint64_t count = atomic_load_explicit(&type->count, memory_order_relaxed);
    uint64_t bytes = atomic_load_explicit(&type->bytes, memory_order_relaxed);
    atomic_store_explicit(&type->count, count + 1, memory_order_relaxed);
    atomic_store_explicit(&type->bytes, bytes + size, memory_order_relaxed);
    if (UNLIKELY(size > atomic_load_explicit(&type->largest, memory_order_relaxed))) {
        atomic_store_explicit(&type->largest, size, memory_order_relaxed);
    }
}

EXPORTED void *sockmalloc_ring_alloc(struct sockmalloc_ring *ring, size_t size, unsigned type)
{
    if (UNLIKELY(ring == NULL || size - 1 >= (size_t)ring->chunks * ring->chunk_size ||
                 type >= SOCKMALLOC_RING_TYPES)) {
        return refuse(EINVAL);
    }
    uint32_t chunks = (uint32_t)((size - 1) / ring->chunk_size) + 1;
    uint64_t head;
    if (UNLIKELY(!ring_find_room(ring, chunks, &head, __func__))) {
        return refuse(EAGAIN);
    }
    uint32_t chunk = ring_chunk(head);
    atomic_store_explicit(&ring->states[chunk].request, (uint64_t)type << RING_TYPE_SHIFT | size, memory_order_relaxed);
    ring_place(ring, head, chunks, ring_state(ring_lap(head), ring->holder, chunks) | RING_IN_USE);
    ring_count(&ring->header->types[type], size);
    return ring->memory + (size_t)chunk * ring->chunk_size;
}

/*
 * Waits until the message at the free marker is freed, because the marker cannot move past a message in use. Returns 0,
 * or an error number, such as ETIMEDOUT. This function stores to `waiting` and then loads the message's state.
 * sockmalloc_ring_free changes the state and then loads `waiting`. These four accesses are sequentially consistent, so
 * either this function sees that the message is free, or the free sees that the producer waits.
 */
static int ring_await_free(struct sockmalloc_ring *ring, const struct timespec *deadline)
{
    uint64_t marker;
    uint64_t head;
    if (ring_read(ring, &marker, &head, "sockmalloc_ring_alloc_wait") == 0) {
        return 0;
    }
    uint32_t chunk = ring_chunk(marker);
    atomic_store_explicit(&ring->header->waiting, chunk + 1, memory_order_seq_cst);
    int error = 0;
    if (ring_is_in_use(atomic_load_explicit(&ring->states[chunk].state, memory_order_seq_cst))) {
        error = os_wait_shared(&ring->header->waiting, chunk + 1, deadline);
    }
    atomic_store_explicit(&ring->header->waiting, 0, memory_order_relaxed);
    return error;
}

static bool deadline_is_valid(const struct timespec *deadline)
{
    enum { NANOSECONDS_A_SECOND = 1000000000 };
    return deadline == NULL ||
           (deadline->tv_sec >= 0 && deadline->tv_nsec >= 0 && deadline->tv_nsec < NANOSECONDS_A_SECOND);
}

EXPORTED void *sockmalloc_ring_alloc_wait(struct sockmalloc_ring *ring, size_t size, unsigned type,
                                          const struct timespec *deadline)
{
    if (!deadline_is_valid(deadline)) {
        return refuse(EINVAL);
    }
    int kept = errno;
    for (;;) {
        void *message = sockmalloc_ring_alloc(ring, size, type);
        if (message != NULL) {
            errno = kept;
            return message;
        }
        int error = errno == EAGAIN ? ring_await_free(ring, deadline) : errno;
        if (error != 0) {
            return refuse(error);
        }
    }
}

/* Wakes the producer if it waits for the message that begins at `chunk`. The producer waits only for the message at the
 * free marker, because the free of any other message does not let the marker move. */
static void ring_wake(struct sockmalloc_ring *ring, uint32_t chunk)
{
    uint32_t waiting = chunk + 1;
    if (LIKELY(atomic_load_explicit(&ring->header->waiting, memory_order_seq_cst) != waiting)) {
        return;
    }
    atomic_compare_exchange_strong_explicit(&ring->header->waiting, &waiting, 0, memory_order_relaxed,
                                            memory_order_relaxed);
    os_wake_shared(&ring->header->waiting);
}

EXPORTED void sockmalloc_ring_free(struct sockmalloc_ring *ring, void *message)
{
    if (message == NULL) {
        return;
    }
    if (UNLIKELY(ring == NULL)) {
        message_die(MESSAGE_RING_FOREIGN, __func__, message, NULL);
    }
    struct ring_chunk *first = ring_state_of(ring, message, __func__);
    /* seq_cst: what this thread has done with the message happens before the producer uses the chunks again; and
     * ring_await_free needs this order */
    if (UNLIKELY(!(atomic_fetch_and_explicit(&first->state, ~RING_IN_USE, memory_order_seq_cst) & RING_IN_USE))) {
        ring_not_in_use(ring, message, first, __func__);
    }
    ring_wake(ring, (uint32_t)(first - ring->states));
}

EXPORTED uint64_t sockmalloc_ring_handle(struct sockmalloc_ring *ring, const void *message)
{
    if (ring == NULL || message == NULL) {
        errno = EINVAL;
        return 0;
    }
    const struct ring_chunk *first = ring_state_of(ring, message, __func__);
    uint64_t state = atomic_load_explicit(&first->state, memory_order_relaxed);
    if (!ring_is_in_use(state)) {
        ring_not_in_use(ring, message, first, __func__);
    }
    /* 1 is added to the chunk's number, so that no handle is 0. The lap may be 0, because it is cut to 19 bits. */
    return ring_position((uint32_t)(state >> RING_LAP_SHIFT), (uint32_t)(first - ring->states) + 1);
}

EXPORTED void *sockmalloc_ring_take(struct sockmalloc_ring *ring, uint64_t handle, size_t *size, unsigned *type)
{
    uint32_t chunk = ring_chunk(handle) - 1;
    if (ring == NULL || chunk >= ring->chunks || ring_lap(handle) > RING_LAP_MASK) {
        return refuse(EINVAL);
    }
    struct ring_chunk *first = &ring->states[chunk];
    uint32_t chunks;
    uint64_t taken;
    uint64_t state = atomic_load_explicit(&first->state, memory_order_relaxed);
    do {
        chunks = ring_state_chunks(state);
        if (!ring_is_in_use(state) || !ring_state_is_of_lap(state, ring_lap(handle))) {
            return refuse(EINVAL);
        }
        taken = ring_state(ring_lap(handle), ring->holder, chunks) | RING_IN_USE;
        /* acquire: this process sees what the producer has written before it sent the handle */
    } while (!atomic_compare_exchange_weak_explicit(&first->state, &state, taken, memory_order_acquire,
                                                    memory_order_relaxed));
    uint64_t request = atomic_load_explicit(&first->request, memory_order_relaxed);
    uint64_t bytes = request & ((UINT64_C(1) << RING_TYPE_SHIFT) - 1);
    if (chunks == 0 || chunks > ring->chunks - chunk || bytes - 1 >= (uint64_t)chunks * ring->chunk_size ||
        request >> RING_TYPE_SHIFT >= SOCKMALLOC_RING_TYPES) {
        ring_damaged(ring, handle, __func__);
    }
    if (size != NULL) {
        *size = bytes;
    }
    if (type != NULL) {
        *type = (unsigned)(request >> RING_TYPE_SHIFT);
    }
    return ring->memory + (size_t)chunk * ring->chunk_size;
}

/* Frees the message that begins at `first` and returns true, if the message is in use and `holder` holds it. Otherwise
 * returns false. */
static bool ring_reclaim_one(struct ring_chunk *first, uint32_t holder)
{
    uint64_t state = atomic_load_explicit(&first->state, memory_order_relaxed);
    do {
        if (!ring_is_in_use(state) || ring_state_holder(state) != holder) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&first->state, &state, state & ~RING_IN_USE, memory_order_seq_cst,
                                                    memory_order_relaxed));
    return true;
}

EXPORTED size_t sockmalloc_ring_reclaim(struct sockmalloc_ring *ring, uint32_t holder)
{
    if (ring == NULL) {
        errno = EINVAL;
        return 0;
    }
    size_t count = 0;
    for (uint32_t chunk = 0; chunk < ring->chunks; chunk++) {
        if (ring_reclaim_one(&ring->states[chunk], holder)) {
            count++;
        }
    }
    /* Wakes the producer even if this function has freed no message, because the dead process may have freed the
     * message at the free marker and died before it woke the producer. */
    atomic_store_explicit(&ring->header->waiting, 0, memory_order_seq_cst);
    os_wake_shared(&ring->header->waiting);
    return count;
}

EXPORTED int sockmalloc_ring_statistics(const struct sockmalloc_ring *ring, unsigned type,
                                        struct sockmalloc_ring_statistics *statistics)
{
    if (ring == NULL || statistics == NULL || type >= SOCKMALLOC_RING_TYPES) {
        errno = EINVAL;
        return -1;
    }
    struct ring_type *counted = &ring->header->types[type];
    statistics->count = atomic_load_explicit(&counted->count, memory_order_relaxed);
    statistics->bytes = atomic_load_explicit(&counted->bytes, memory_order_relaxed);
    statistics->largest = atomic_load_explicit(&counted->largest, memory_order_relaxed);
    return 0;
}

EXPORTED int sockmalloc_ring_status(const struct sockmalloc_ring *ring, struct sockmalloc_ring_status *status)
{
    if (ring == NULL || status == NULL) {
        errno = EINVAL;
        return -1;
    }
    /* The two positions are not read at the same moment. If they contradict each other, the ring has changed much
     * between the two loads. It is then reported as full. */
    uint64_t marker = atomic_load_explicit(&ring->header->marker, memory_order_relaxed);
    uint64_t head = atomic_load_explicit(&ring->header->head, memory_order_relaxed);
    if (ring_chunk(marker) >= ring->chunks) {
        ring_damaged(ring, marker, __func__);
    }
    uint32_t occupied;
    bool agree = ring_occupied(ring, marker, head, &occupied);
    uint64_t oldest = atomic_load_explicit(&ring->states[ring_chunk(marker)].state, memory_order_relaxed);
    status->chunk_size = ring->chunk_size;
    status->chunks = ring->chunks;
    status->occupied = agree ? occupied : ring->chunks;
    status->oldest_holder = occupied > 0 && ring_is_in_use(oldest) ? ring_state_holder(oldest) : 0;
    return 0;
}
