/* Tests of buffers/ring.c and ring_open.c in one thread: how messages fill a ring, in which order they are freed, bad
 * arguments, misuse, and damaged memory. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buffers/ring_memory.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/ring_memory.h"

enum { CHUNK = 256, CHUNKS = 8 };

static struct sockmalloc_ring *ring;
static char *first; /* the address of chunk 0 */

static void lay(void)
{
    ring = ring_of(CHUNK, CHUNKS);
    first = sockmalloc_ring_alloc(ring, 1, 0);
    sockmalloc_ring_free(ring, first);
    first = sockmalloc_ring_alloc(ring, CHUNK * CHUNKS, 0); /* the message needs all chunks, so it begins at chunk 0 */
    cr_assert_not_null(first);
    sockmalloc_ring_free(ring, first);
}

/* Allocates a message of `chunks` chunks and checks that it begins at chunk `at`. If `at` is -1, checks that the ring
 * has no space for it. */
static char *expect(unsigned chunks, int at)
{
    errno = 0;
    char *message = sockmalloc_ring_alloc(ring, chunks * CHUNK - 1, 0);
    if (at < 0) {
        cr_assert_null(message);
        cr_assert_eq(errno, EAGAIN);
    } else {
        cr_assert_eq(message, first + at * CHUNK, "%u chunks are at %td", chunks, (message - first) / CHUNK);
        memset(message, 'x', chunks * CHUNK - 1);
    }
    return message;
}

static void give(unsigned at)
{
    sockmalloc_ring_free(ring, first + at * CHUNK);
}

Test(ring, marker_moves_over_contiguous_free_chunks_only)
{
    lay();
    expect(2, 0);
    expect(1, 2);
    expect(3, 3);
    expect(2, 6);
    expect(1, -1);
    give(2);
    give(6);
    /*
     * The ring has no space, although chunks 2 and 6 are free. The ring uses only the chunks from the head, where the
     * next message begins, up to the free marker. Both are at chunk 0 now, and the marker cannot pass chunk 0 while
     * that chunk is in use.
     */
    expect(1, -1);
    give(0);
    expect(4, -1);
    expect(3, 0); /* the free marker, up to which chunks are known to be free, has advanced past chunks 0 to 2 */
    expect(1, -1);
    give(3);
    expect(5, 3);
    give(0);
    give(3);
    expect(8, 0);
}

Test(ring, wraps_early_where_the_end_has_no_room)
{
    lay();
    expect(6, 0);
    give(0);
    expect(3, 0); /* the message does not fit behind chunk 5, so chunks 6 and 7 stay unused */
    expect(2, 3);
    /* the free marker, up to which chunks are known to be free, has passed the unused chunks 6 and 7, and stands before
     * chunk 0 */
    expect(2, 5);
    expect(1, 7);
    expect(1, -1);
    give(3);
    give(5);
    give(7);
    give(0);
    expect(8, 0);
    give(0);
    expect(1, 0);
    give(0);
    /* the head was not at chunk 0, but the whole ring is free, so a message of all chunks may begin at chunk 0 */
    expect(8, 0);
}

Test(ring, early_wrap_needs_no_second_free)
{
    lay();
    expect(4, 0);
    expect(2, 4);
    give(0);
    expect(5, -1);
    expect(4, 0); /* the call above, which failed, has moved the head to chunk 0 */
    give(4);
    expect(4, 4);
}

/* Allocates and frees at random, and checks that no two messages share a byte. */
Test(ring, messages_never_overlap)
{
    enum { STEPS = 200000, MANY = 61 };
    static char *messages[MANY];
    static size_t sizes[MANY];
    uint64_t state = 7;
    unsigned full = 0;
    ring = ring_of(128, MANY);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned which = (unsigned)(crew_random(&state) % MANY);
        if (messages[which] == NULL) {
            sizes[which] = 1 + crew_random(&state) % (crew_random(&state) % 8 == 0 ? 61 * 128 : 500);
            messages[which] = sockmalloc_ring_alloc(ring, sizes[which], which % SOCKMALLOC_RING_TYPES);
            full += messages[which] == NULL;
            if (messages[which] != NULL) {
                memset(messages[which], (int)which, sizes[which]);
            }
        } else {
            for (size_t at = 0; at < sizes[which]; at++) {
                cr_assert_eq(messages[which][at], (char)which);
            }
            sockmalloc_ring_free(ring, messages[which]);
            messages[which] = NULL;
        }
    }
    cr_assert_gt(full, STEPS / 100);
    cr_assert_lt(full, STEPS);
    sockmalloc_ring_reclaim(ring, PARENT);
    cr_assert_not_null(sockmalloc_ring_alloc(ring, MANY * 128, 0), "a chunk is lost");
}

Test(ring, lap_may_overflow)
{
    lay();
    atomic_store(&ring->header->head, ring_position(UINT32_MAX, 5));
    atomic_store(&ring->header->marker, ring_position(UINT32_MAX, 5));
    expect(3, 5);
    expect(5, 0);
    expect(1, -1);
    give(5);
    give(0);
    expect(4, 5 - 5);
    expect(4, 4);
}

Test(ring, statistics_and_status)
{
    struct sockmalloc_ring_statistics statistics;
    struct sockmalloc_ring_status status;
    ring = ring_of(128, 100);
    cr_assert_eq(sockmalloc_ring_status(ring, &status), 0);
    cr_assert(status.occupied == 0 && status.oldest_holder == 0);
    void *message = sockmalloc_ring_alloc(ring, 300, 3);
    sockmalloc_ring_alloc(ring, 1000, 3);
    sockmalloc_ring_alloc(ring, 20, 3);
    sockmalloc_ring_alloc(ring, 7, 15);
    cr_assert_eq(sockmalloc_ring_statistics(ring, 3, &statistics), 0);
    cr_assert(statistics.count == 3 && statistics.bytes == 1320 && statistics.largest == 1000);
    cr_assert_eq(sockmalloc_ring_statistics(ring, 15, &statistics), 0);
    cr_assert(statistics.count == 1 && statistics.bytes == 7 && statistics.largest == 7);
    cr_assert_eq(sockmalloc_ring_statistics(ring, 0, &statistics), 0);
    cr_assert(statistics.count == 0 && statistics.bytes == 0 && statistics.largest == 0);
    cr_assert_eq(sockmalloc_ring_status(ring, &status), 0);
    cr_assert(status.chunk_size == 128 && status.chunks == 100 && status.occupied == 3 + 8 + 1 + 1);
    cr_assert_eq(status.oldest_holder, PARENT);
    sockmalloc_ring_free(ring, message);
    cr_assert_eq(sockmalloc_ring_status(ring, &status), 0);
    cr_assert_eq(status.oldest_holder, 0);
}

Test(ring, handle_leads_to_its_message_alone)
{
    size_t size;
    unsigned type;
    lay();
    char *message = sockmalloc_ring_alloc(ring, 2 * CHUNK + 5, 9);
    uint64_t handle = sockmalloc_ring_handle(ring, message);
    cr_assert_eq(sockmalloc_ring_take(ring, handle, &size, &type), message);
    cr_assert(size == 2 * CHUNK + 5 && type == 9);
    cr_assert_eq(sockmalloc_ring_take(ring, handle, NULL, NULL), message);
    uint64_t wrong[] = {handle + 1, handle + CHUNKS, handle ^ UINT64_C(1) << 32, handle | UINT64_C(1) << 63,
                        UINT64_MAX};
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        errno = 0;
        cr_assert_null(sockmalloc_ring_take(ring, wrong[i], &size, &type), "case %u", i);
        cr_assert_eq(errno, EINVAL);
    }
    sockmalloc_ring_free(ring, message);
    cr_assert_null(sockmalloc_ring_take(ring, handle, NULL, NULL), "the message was freed");
    expect(5, 3);
    give(3);
    expect(3, 0);
    cr_assert_null(sockmalloc_ring_take(ring, handle, NULL, NULL), "another message is there");
}

/* A handle is never 0, which means an error, although a handle has only 19 bits of the lap, and these become 0 again.
 */
Test(ring, handle_is_never_0)
{
    ring = ring_of(CHUNK, 1);
    for (unsigned lap = 0; lap <= RING_LAP_MASK + 2; lap++) {
        char *message = sockmalloc_ring_alloc(ring, 1, 0);
        uint64_t handle = sockmalloc_ring_handle(ring, message);
        cr_assert_neq(handle, 0, "lap %u", lap);
        cr_assert_eq(sockmalloc_ring_take(ring, handle, NULL, NULL), message);
        sockmalloc_ring_free(ring, message);
    }
}

Test(ring, arguments)
{
    static _Alignas(128) char memory[1 << 16];
    static const struct {
        size_t chunk_size, chunks;
    } bad[] = {{0, 1},         {64, 1},  {127, 1},
               {129, 1},       {192, 1}, {(1U << 30) + 128, 1},
               {SIZE_MAX, 1},  {128, 0}, {128, SOCKMALLOC_RING_CHUNKS + 1},
               {128, SIZE_MAX}};
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        errno = 0;
        cr_assert(sockmalloc_ring_length(bad[i].chunk_size, bad[i].chunks) == 0 && errno == EINVAL, "case %u", i);
    }
    struct sockmalloc_ring_options good = *ring_options(CHUNK, PARENT);
    struct sockmalloc_ring_options size = good, chunk = good, holder = good, name = good;
    size.size--;
    chunk.chunk_size++;
    name.name = "a name that has 32 bytes, one over";
    holder.holder = SOCKMALLOC_RING_HOLDERS + 1;
    size_t least = sockmalloc_ring_length(CHUNK, 1);
    const struct {
        void *memory;
        size_t length;
        const struct sockmalloc_ring_options *options;
    } wrong[] = {{NULL, sizeof memory, &good},    {memory + 64, 4096, &good},       {memory, 0, &good},
                 {memory, least - 1, &good},      {memory, SIZE_MAX, &good},        {memory, sizeof memory, &size},
                 {memory, sizeof memory, &chunk}, {memory, sizeof memory, &holder}, {memory, sizeof memory, &name}};
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        errno = 0;
        cr_assert_null(sockmalloc_ring_create(wrong[i].memory, wrong[i].length, wrong[i].options), "case %u", i);
        cr_assert_eq(errno, EINVAL);
        errno = 0;
        cr_assert_null(sockmalloc_ring_attach(wrong[i].memory, wrong[i].length, wrong[i].options), "case %u", i);
        cr_assert_eq(errno, EINVAL);
    }
    for (size_t chunks = 1; chunks < 200; chunks++) {
        struct sockmalloc_ring_status status;
        size_t length = sockmalloc_ring_length(128, chunks);
        ring = sockmalloc_ring_create(memory, length + chunks % 128, NULL);
        cr_assert(sockmalloc_ring_status(ring, &status) == 0 && status.chunks == chunks && status.chunk_size == 128);
        cr_assert_eq(sockmalloc_ring_close(ring), 0);
        cr_assert_null(sockmalloc_ring_attach(memory, length - 1, NULL));
    }
}

Test(ring, arguments_of_calls)
{
    static const struct timespec bad[] = {{-1, 0}, {0, -1}, {0, 1000000000}};
    struct sockmalloc_ring_statistics statistics;
    lay();
#define REFUSED(call) cr_assert((errno = 0, (call)) && errno == EINVAL, #call)
    REFUSED(sockmalloc_ring_alloc(NULL, 1, 0) == NULL);
    REFUSED(sockmalloc_ring_alloc(ring, 0, 0) == NULL);
    REFUSED(sockmalloc_ring_alloc(ring, CHUNK * CHUNKS + 1, 0) == NULL);
    REFUSED(sockmalloc_ring_alloc(ring, SIZE_MAX, 0) == NULL);
    REFUSED(sockmalloc_ring_alloc(ring, 1, SOCKMALLOC_RING_TYPES) == NULL);
    REFUSED(sockmalloc_ring_alloc_wait(ring, 0, 0, NULL) == NULL);
    REFUSED(sockmalloc_ring_alloc_wait(ring, 1, 0, &bad[0]) == NULL);
    REFUSED(sockmalloc_ring_alloc_wait(ring, 1, 0, &bad[1]) == NULL);
    REFUSED(sockmalloc_ring_alloc_wait(ring, 1, 0, &bad[2]) == NULL);
    REFUSED(sockmalloc_ring_handle(ring, NULL) == 0);
    REFUSED(sockmalloc_ring_handle(NULL, first) == 0);
    REFUSED(sockmalloc_ring_take(NULL, 0, NULL, NULL) == NULL);
    REFUSED(sockmalloc_ring_statistics(NULL, 0, &statistics) == -1);
    REFUSED(sockmalloc_ring_statistics(ring, 0, NULL) == -1);
    REFUSED(sockmalloc_ring_statistics(ring, SOCKMALLOC_RING_TYPES, &statistics) == -1);
    REFUSED(sockmalloc_ring_status(NULL, NULL) == -1);
    REFUSED(sockmalloc_ring_status(ring, NULL) == -1);
    REFUSED(sockmalloc_ring_close(NULL) == -1);
    REFUSED(sockmalloc_ring_reclaim(NULL, PARENT) == 0);
    sockmalloc_ring_free(ring, NULL);
    void *message = sockmalloc_ring_alloc(ring, 1, 0);
    cr_assert(sockmalloc_ring_close(ring) == -1 && errno == EBUSY);
    sockmalloc_ring_free(ring, message);
    cr_assert_eq(sockmalloc_ring_close(ring), 0);
}

static void free_it(void *message)
{
    sockmalloc_ring_free(ring, message);
}

static void free_without_a_ring(void *message)
{
    sockmalloc_ring_free(NULL, message);
}

static void find_it(void *message)
{
    sockmalloc_ring_handle(ring, message);
}

Test(ring, misuse_ends_the_process)
{
    static char elsewhere;
    lay();
    char *message = expect(3, 0);
    const struct {
        char *address;
        const char *words;
    } cases[] = {{message + 1, "not at the start of a chunk"},
                 {message + CHUNK, "no message in use begins there"},
                 {&elsewhere, "outside the chunks of the ring"},
                 {first - 128, "outside the chunks of the ring"},
                 {first + CHUNK * CHUNKS, "outside the chunks"},
                 {first + CHUNK * 7, "no message in use begins there"},
                 {(char *)1, "outside the chunks"},
                 {(char *)UINTPTR_MAX, "outside the chunks"}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        capture_abort(free_it, cases[i].address, cases[i].words);
        capture_abort(find_it, cases[i].address, cases[i].words);
    }
    capture_abort(free_without_a_ring, message, "outside the chunks of the ring");
    sockmalloc_ring_free(ring, message);
    capture_abort(free_it, message, "sockmalloc_ring_free");
    capture_abort(free_it, message, "no message in use begins there");
    capture_abort(find_it, message, "sockmalloc_ring_handle");
}

/* Overwrites one word of the ring's data: value[0] says which word, and value[1] is its new content. Then calls
 * functions that read this word. The process must print a message about the damage and abort. */
static void scribble(void *argument)
{
    const uint64_t *value = argument;
    char *message = expect(3, 0);
    uint64_t handle = sockmalloc_ring_handle(ring, message);
    switch (value[0]) {
    case 0:
        ring->header->head = value[1];
        break;
    case 1:
        ring->header->marker = value[1];
        break;
    case 2:
        ring->states[0].state = value[1];
        break;
    default:
        ring->states[0].request = value[1];
    }
    sockmalloc_ring_take(ring, handle, NULL, NULL);
    while (sockmalloc_ring_alloc(ring, CHUNK, 0) != NULL) {
    }
}

Test(ring, damage_ends_the_process)
{
    static uint64_t cases[][2] = {{0, CHUNKS},
                                  {0, 0},
                                  {0, UINT64_MAX},
                                  {0, UINT64_C(4) << 32 | 1},
                                  {1, UINT64_C(2) << 32},
                                  {1, CHUNKS},
                                  {1, UINT64_MAX},
                                  {2, RING_IN_USE},
                                  {2, UINT64_MAX},
                                  {2, 0},
                                  {3, (1 << 24) + 1000},
                                  {3, 0},
                                  {3, UINT64_C(16) << RING_TYPE_SHIFT | 1},
                                  {2, UINT64_C(7) << RING_LAP_SHIFT | UINT64_C(3) << RING_CHUNKS_SHIFT | RING_IN_USE}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        /* the ring lies in shared memory, where damage that a child does stays after the child's end; so each case
         * begins with a new ring */
        lay();
        capture_abort(scribble, cases[i], "is damaged: the state of chunk");
    }
}

/* MANY is how many chunks the damaged ring has. DATA is how many bytes the ring's header and the states of its
 * chunks take. */
enum { MANY = 23, DATA = sizeof(struct ring_header) + MANY * sizeof(struct ring_chunk) };

/* Makes all calls that a process can make on a ring that is damaged, and damages the ring further in between. */
static void use(struct sockmalloc_ring *damaged, uint64_t state)
{
    struct sockmalloc_ring_statistics statistics;
    struct sockmalloc_ring_status status;
    size_t size = 0;
    unsigned type = 0;
    for (unsigned i = 0; i < 40; i++) {
        /* writes a byte to the ring's data now, as a faulty process at the other end could */
        if (crew_random(&state) % 16 == 0) {
            ((char *)damaged->header)[crew_random(&state) % DATA] = (char)crew_random(&state);
        }
        size_t asked = 1 + crew_random(&state) % 600;
        char *message = sockmalloc_ring_alloc(damaged, asked, i % 16);
        if (message != NULL) {
            memset(message, 'x', asked);
            sockmalloc_ring_handle(damaged, message);
        }
        char *taken =
            sockmalloc_ring_take(damaged, crew_random(&state) % 3 << 32 | crew_random(&state) % 32, &size, &type);
        if (taken != NULL && (size == 0 || type >= SOCKMALLOC_RING_TYPES)) {
            _exit(3);
        }
        if (taken != NULL) {
            memset(taken, 'y', size);
            sockmalloc_ring_free(damaged, taken);
        }
        sockmalloc_ring_statistics(damaged, i % 16, &statistics);
        sockmalloc_ring_status(damaged, &status);
        sockmalloc_ring_alloc_wait(damaged, 500, 0, &(struct timespec){0, 1});
    }
    sockmalloc_ring_reclaim(damaged, PARENT);
    sockmalloc_ring_close(damaged);
}

/* Runs a child that attaches to the memory and uses the ring there. Returns the child's status as waitpid reports
 * it. The child exits with 0 after all its calls, with 1 if the ring was refused, and with 2 or 3 after a wrong
 * result. */
static int fate_of(char *memory, size_t length, uint64_t state)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGABRT, SIG_DFL);
        signal(SIGSEGV, SIG_DFL);
        alarm(60);
        struct sockmalloc_ring *damaged = sockmalloc_ring_attach(memory, length, ring_options(CHUNK, PARENT));
        if (damaged == NULL) {
            _exit(errno == EINVAL ? 1 : 2);
        }
        use(damaged, state);
        _exit(0);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    return status;
}

/* Damages the memory of random rings in use: up to four words of their headers and states. A child then uses the
 * ring. The child must refuse the ring, end all its calls, or abort with a message, and must not crash. */
Test(ring, damaged_memory_never_crashes)
{
    enum { DRAWS = 2000 };
    size_t length = sockmalloc_ring_length(CHUNK, MANY);
    char *memory = ring_memory(length);
    unsigned refused = 0, ended = 0, served = 0;
    uint64_t state = 20;
    for (unsigned draw = 0; draw < DRAWS; draw++) {
        ring = sockmalloc_ring_create(memory, length, ring_options(CHUNK, PARENT));
        for (unsigned i = 0; i < crew_random(&state) % 40; i++) {
            void *message = sockmalloc_ring_alloc(ring, 1 + crew_random(&state) % 900, 0);
            if (crew_random(&state) % 2 == 0) {
                sockmalloc_ring_free(ring, message);
            }
        }
        for (unsigned i = 0; i <= crew_random(&state) % 4; i++) {
            /* About half of the overwritten words are among the most important ones, whose offsets are in `words`.
             * About half of the new values differ from the old value in one bit. */
            static const size_t words[] = {0, 8, 16, 128, 136, 640};
            size_t at = crew_random(&state) % 2 ? words[crew_random(&state) % 6] : crew_random(&state) % (DATA / 8) * 8;
            uint64_t *word = (uint64_t *)(memory + at);
            uint64_t value = crew_random(&state);
            *word = crew_random(&state) % 2 ? value : *word ^ UINT64_C(1) << value % 64;
        }
        int status = fate_of(memory, length, state | 1);
        cr_assert(WIFEXITED(status) ? WEXITSTATUS(status) < 2 : WTERMSIG(status) == SIGABRT, "draw %u: status %x", draw,
                  (unsigned)status);
        refused += WIFEXITED(status) && WEXITSTATUS(status) == 1;
        served += WIFEXITED(status) && WEXITSTATUS(status) == 0;
        ended += WIFSIGNALED(status);
        sockmalloc_ring_reclaim(ring, PARENT);
        sockmalloc_ring_close(ring);
    }
    cr_assert(refused > DRAWS / 20 && ended > DRAWS / 20 && served > DRAWS / 20, "%u %u %u", refused, ended, served);
}
