/* Tests of buffers/ring.c in memory that processes share: a process sends handles of messages to another process, the
 * ring records the process that holds each message, processes die, and processes fork. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/capture.h"
#include "support/crew.h"
#include "support/ring_memory.h"

enum { CHUNKS = 64, MESSAGES = 20000 };

static struct sockmalloc_ring *ring;
static size_t length;
static int file;
static int handles[2]; /* a pipe, by which one process sends handles of messages to another */

static char *map_again(void)
{
    char *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void lay(void)
{
    length = sockmalloc_ring_length(128, CHUNKS);
    file = memfd_create("ring", MFD_CLOEXEC);
    cr_assert_eq(ftruncate(file, (off_t)length), 0);
    cr_assert_eq(pipe(handles), 0);
    ring = sockmalloc_ring_create(map_again(), length, ring_options(128, PARENT));
    cr_assert_not_null(ring);
}

static struct sockmalloc_ring *attach(uint32_t holder)
{
    return sockmalloc_ring_attach(map_again(), length, ring_options(0, holder));
}

/*
 * Reads handles of messages from a pipe until the pipe ends. Checks the bytes of each message, and frees the message.
 */
static void consume(void *argument)
{
    uint64_t handle;
    unsigned count = 0;
    struct sockmalloc_ring *own = attach(CHILD);
    close(handles[1]);
    while (CHECK(own != NULL) && read(handles[0], &handle, sizeof handle) == sizeof handle) {
        size_t size = 0;
        unsigned type;
        char *message = sockmalloc_ring_take(own, handle, &size, &type);
        if (!CHECK(message != NULL && size > 0 && type == count % 16)) {
            return;
        }
        for (size_t at = 0; at < size; at++) {
            CHECK(message[at] == (char)count);
        }
        sockmalloc_ring_free(own, message);
        count++;
    }
    CHECK(count == MESSAGES && sockmalloc_ring_close(own) == 0);
    (void)argument;
}

static pid_t begin(capture_work *work, void *argument)
{
    pid_t child = fork();
    if (child == 0) {
        alarm(120);
        work(argument);
        _exit(crew_fault() == NULL ? 0 : 1);
    }
    cr_assert_gt(child, 0);
    return child;
}

static int end(pid_t child)
{
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    return status;
}

Test(ring_shared, messages_pass_to_another_process)
{
    uint64_t state = 3;
    lay();
    pid_t child = begin(consume, NULL);
    for (unsigned i = 0; i < MESSAGES; i++) {
        size_t size = 1 + crew_random(&state) % 1000;
        char *message = sockmalloc_ring_alloc_wait(ring, size, i % 16, NULL);
        cr_assert_not_null(message);
        memset(message, (int)i, size);
        uint64_t handle = sockmalloc_ring_handle(ring, message);
        cr_assert_eq(write(handles[1], &handle, sizeof handle), sizeof handle);
    }
    close(handles[1]);
    cr_assert_eq(end(child), 0);
    cr_assert_eq(sockmalloc_ring_close(ring), 0);
}

static void hold_some(void *argument)
{
    const uint64_t *taken = argument;
    struct sockmalloc_ring *own = attach(CHILD);
    CHECK(own != NULL && sockmalloc_ring_take(own, taken[0], NULL, NULL) != NULL);
    CHECK(sockmalloc_ring_take(own, taken[1], NULL, NULL) != NULL);
    CHECK(sockmalloc_ring_close(own) == -1 && errno == EBUSY);
    kill(getpid(), crew_fault() == NULL ? SIGKILL : SIGTERM);
}

Test(ring_shared, what_a_dead_process_held_is_reclaimed)
{
    lay();
    void *first = sockmalloc_ring_alloc(ring, 20 * 128, 0);
    void *second = sockmalloc_ring_alloc(ring, 20 * 128, 0);
    void *third = sockmalloc_ring_alloc(ring, 24 * 128, 0);
    uint64_t taken[] = {sockmalloc_ring_handle(ring, first), sockmalloc_ring_handle(ring, third)};
    cr_assert_eq(end(begin(hold_some, taken)), SIGKILL);
    struct sockmalloc_ring_status status;
    cr_assert(sockmalloc_ring_status(ring, &status) == 0 && status.oldest_holder == CHILD && status.occupied == CHUNKS);
    cr_assert_null(sockmalloc_ring_alloc(ring, 1, 0));
    cr_assert_eq(sockmalloc_ring_reclaim(ring, CHILD), 2);
    cr_assert_eq(sockmalloc_ring_reclaim(ring, CHILD), 0);
    cr_assert_eq(sockmalloc_ring_alloc(ring, 20 * 128, 0), first);
    cr_assert_null(sockmalloc_ring_alloc(ring, 1, 0), "the second message is in use");
    sockmalloc_ring_free(ring, second);
    cr_assert_eq(sockmalloc_ring_reclaim(ring, PARENT), 1);
    cr_assert_eq(sockmalloc_ring_close(ring), 0);
}

/* Allocates and frees messages until the process is killed. */
static void churn(void *argument)
{
    uint64_t state = *(uint64_t *)argument;
    struct sockmalloc_ring *own = attach(CHILD);
    void *kept[8] = {NULL};
    if (write(handles[1], "", 1) != 1) {
        return;
    }
    for (;;) {
        void **place = &kept[crew_random(&state) % 8];
        sockmalloc_ring_free(own, *place);
        *place = sockmalloc_ring_alloc(own, 1 + crew_random(&state) % 1500, 0);
    }
}

Test(ring_shared, producer_may_die_anywhere)
{
    enum { DEATHS = 200 };
    uint64_t state = 5;
    lay();
    for (unsigned i = 0; i < DEATHS; i++) {
        char byte;
        pid_t child = begin(churn, &state);
        cr_assert_eq(read(handles[0], &byte, 1), 1);
        for (unsigned turn = 0; turn < crew_random(&state) % 40; turn++) {
            sched_yield();
        }
        cr_assert_eq(kill(child, SIGKILL), 0);
        cr_assert_eq(end(child), SIGKILL);
        /* the child held at most the 8 messages in `kept`, and one that it was allocating */
        cr_assert_leq(sockmalloc_ring_reclaim(ring, CHILD), 9);
        char *all = sockmalloc_ring_alloc(ring, CHUNKS * 128, 0);
        cr_assert_not_null(all, "death %u lost a chunk", i);
        sockmalloc_ring_free(ring, all);
        void *some = sockmalloc_ring_alloc(ring, 1 + crew_random(&state) % (CHUNKS * 128), 0);
        /* this message served only to move the head of the ring, so that the next child begins at another chunk */
        sockmalloc_ring_free(ring, some);
    }
}

/* Receives messages, holds some of them, and frees them, until the process is killed. */
static void receive(void *argument)
{
    uint64_t state = *(uint64_t *)argument;
    uint64_t handle;
    struct sockmalloc_ring *own = attach(CHILD);
    void *kept[4] = {NULL};
    while (read(handles[0], &handle, sizeof handle) == sizeof handle) {
        void **place = &kept[crew_random(&state) % 4];
        sockmalloc_ring_free(own, *place);
        *place = sockmalloc_ring_take(own, handle, NULL, NULL);
    }
}

Test(ring_shared, consumer_may_die_anywhere)
{
    enum { DEATHS = 200 };
    uint64_t state = 6;
    for (unsigned i = 0; i < DEATHS; i++) {
        lay();
        pid_t child = begin(receive, &state);
        for (unsigned sent = 0; sent < 20 + crew_random(&state) % 200; sent++) {
            void *message = sockmalloc_ring_alloc(ring, 1 + crew_random(&state) % 1500, 0);
            uint64_t handle = message != NULL ? sockmalloc_ring_handle(ring, message) : 0;
            cr_assert_eq(write(handles[1], &handle, sizeof handle), sizeof handle);
        }
        cr_assert_eq(kill(child, SIGKILL), 0);
        cr_assert_eq(end(child), SIGKILL);
        /* the child held at most the 4 messages in `kept`, and one that it was taking */
        cr_assert_leq(sockmalloc_ring_reclaim(ring, CHILD), 5);
        /* frees the messages that were sent to the child and that it has not received */
        sockmalloc_ring_reclaim(ring, PARENT);
        cr_assert_not_null(sockmalloc_ring_alloc(ring, CHUNKS * 128, 0), "death %u lost a chunk", i);
        close(handles[0]);
        close(handles[1]);
        close(file);
    }
}

/* Runs in a child: allocates two messages, takes one that was sent to the child, and frees all three, while the parent
 * lets the child execute one instruction at a time. */
static void live_and_stop(void *argument)
{
    const uint64_t *sent = argument;
    struct sockmalloc_ring *own = attach(CHILD);
    if (own == NULL || ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0 || raise(SIGSTOP) != 0) {
        _exit(2);
    }
    void *first = sockmalloc_ring_alloc(own, 20 * 128, 1);
    /* this message does not fit at the end of the ring, so it begins at chunk 0 */
    void *second = sockmalloc_ring_alloc(own, 20 * 128, 2);
    void *taken = sockmalloc_ring_take(own, *sent, NULL, NULL);
    sockmalloc_ring_free(own, first);
    sockmalloc_ring_free(own, taken);
    sockmalloc_ring_free(own, second);
}

/* Lets a child execute at most `most` instructions, and kills it. Returns how many it has executed, or -1 if it cannot
 * be traced. */
static long die_after(long most)
{
    int status;
    long steps = 0;
    /* allocates and frees a message, which moves the head of the ring so far that the child's second message does not
     * fit at the end of the ring, and begins at chunk 0 */
    sockmalloc_ring_free(ring, sockmalloc_ring_alloc(ring, 15 * 128, 0));
    uint64_t sent = sockmalloc_ring_handle(ring, sockmalloc_ring_alloc(ring, 20 * 128, 0));
    pid_t child = begin(live_and_stop, &sent);
    cr_assert_eq(waitpid(child, &status, 0), child);
    bool is_traced = WIFSTOPPED(status);
    while (WIFSTOPPED(status) && steps < most) {
        cr_assert_eq(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL), 0);
        cr_assert_eq(waitpid(child, &status, 0), child);
        steps++;
    }
    if (WIFSTOPPED(status)) {
        cr_assert_eq(kill(child, SIGKILL), 0);
        cr_assert_eq(end(child), SIGKILL);
    }
    return is_traced ? steps : -1;
}

/* Kills a child after different numbers of instructions. After each death, the whole ring must be usable again.
 * Executing single instructions is slow, so the test tries only about DEATHS of all numbers, and other ones in each
 * run. */
Test(ring_shared, peer_may_die_after_any_instruction, .timeout = 120)
{
    enum { DEATHS = 100 };
    lay();
    long all = die_after(LONG_MAX);
    if (all < 0) {
        cr_skip_test("ptrace is forbidden here");
    }
    long stride = 1 + all / DEATHS;
    for (long steps = getpid() % stride; steps < all; steps += stride) {
        sockmalloc_ring_reclaim(ring, CHILD);
        sockmalloc_ring_reclaim(ring, PARENT);
        void *whole = sockmalloc_ring_alloc(ring, CHUNKS * 128, 0);
        cr_assert_not_null(whole, "a death after %ld steps lost a chunk", steps);
        sockmalloc_ring_free(ring, whole);
        die_after(steps);
    }
}

static void go_on(void *message)
{
    for (unsigned i = 0; i < 1000; i++) {
        sockmalloc_ring_free(ring, message);
        message = sockmalloc_ring_alloc(ring, 5000, 0);
        CHECK(message != NULL);
    }
    sockmalloc_ring_free(ring, message);
    CHECK(sockmalloc_ring_close(ring) == 0);
}

Test(ring_shared, child_of_a_fork_has_a_copy_of_a_private_ring)
{
    static _Alignas(128) char memory[1 << 14];
    ring = sockmalloc_ring_create(memory, sizeof memory, NULL);
    void *message = sockmalloc_ring_alloc(ring, 5000, 0);
    capture_clean(go_on, message);
    sockmalloc_ring_free(ring, message);
    cr_assert_eq(sockmalloc_ring_reclaim(ring, (uint32_t)getpid()), 0);
}

static void free_parents(void *message)
{
    sockmalloc_ring_free(ring, message);
}

Test(ring_shared, child_of_a_fork_frees_messages_of_a_shared_ring)
{
    lay();
    void *message = sockmalloc_ring_alloc(ring, CHUNKS * 128, 0);
    capture_clean(free_parents, message);
    cr_assert_eq(sockmalloc_ring_alloc(ring, CHUNKS * 128, 0), message);
}
