/*
 * Misuse of one kind of memory: a pool of blocks of one size, message pages, a ring, or slack (data that the program
 * keeps at the end of a block's slot). Frees an address at which no live block of this kind begins. With `slack`,
 * reserves slack at an address where no live block of malloc begins. Arguments: `pool`, `message`, `batch` (messages
 * that are freed by a caller's batch), `ring` or `slack`, and what is wrong: `twice`, `interior`, `foreign`, `gone`
 * (the object is closed) or `scribbled` (the program has overwritten data of the library).
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <sockmalloc.h>

#include "victim.h"

#pragma weak sockmalloc_message_alloc
#pragma weak sockmalloc_message_alloc_many
#pragma weak sockmalloc_message_close
#pragma weak sockmalloc_message_free
#pragma weak sockmalloc_message_free_many
#pragma weak sockmalloc_message_open
#pragma weak sockmalloc_pool_alloc
#pragma weak sockmalloc_pool_create
#pragma weak sockmalloc_pool_destroy
#pragma weak sockmalloc_pool_free
#pragma weak sockmalloc_ring_alloc
#pragma weak sockmalloc_ring_create
#pragma weak sockmalloc_ring_free
#pragma weak sockmalloc_slack_alloc

enum { SIZE = 4096, INSIDE = 16 };

static const char *what;
static _Alignas(SOCKMALLOC_RING_ALIGNMENT) char memory[64 << 10];

static bool is(const char *word)
{
    return strcmp(what, word) == 0;
}

/* Returns the address to misuse. For `twice`, first frees the block, so that the misuse frees it a second time. */
static char *choose(void *object, void *block, void (*give)(void *object, void *block))
{
    if (is("twice")) {
        give(object, block);
    } else if (is("scribbled")) {
        memset((char *)block - sizeof(uint64_t), 'x', sizeof(uint64_t));
    }
    return is("interior") ? (char *)block + INSIDE : is("foreign") ? memory : (char *)block;
}

static void misuse(void *object, void *block, void (*give)(void *object, void *block), const void *second)
{
    char *address = victim_hide(choose(object, block, give));
    victim_announce_two(address, second);
    give(object, address);
}

static void free_block(void *pool, void *block)
{
    sockmalloc_pool_free(pool, block);
}

static void misuse_pool(void)
{
    struct sockmalloc_pool_options options = SOCKMALLOC_POOL_OPTIONS;
    options.block = SIZE;
    options.name = "victim";
    struct sockmalloc_pool *pool = sockmalloc_pool_create(&options);
    void *block = sockmalloc_pool_alloc(pool);
    victim_require(block != NULL, "sockmalloc_pool_alloc");
    if (is("gone")) {
        victim_require(sockmalloc_pool_destroy(pool, SOCKMALLOC_POOL_ALL_THE_SAME) == 0, "sockmalloc_pool_destroy");
    }
    misuse(pool, block, free_block, NULL);
}

static void free_message(void *messages, void *message)
{
    sockmalloc_message_free(messages, message);
}

/* Frees the message by a batch, whose flush passes the message on to the library. */
static void free_in_batch(void *messages, void *message)
{
    struct sockmalloc_message_batch batch;
    sockmalloc_message_batch_begin(&batch, messages, SIZE, 0);
    sockmalloc_message_batch_free(&batch, message);
    sockmalloc_message_batch_flush(&batch);
}

static void misuse_message(void (*give)(void *messages, void *message))
{
    struct sockmalloc_message *messages = sockmalloc_message_open(NULL);
    /* a second live message in the page, so that the page stays in use */
    void *kept = is("gone") ? NULL : sockmalloc_message_alloc(messages, SIZE, 0);
    void *message = sockmalloc_message_alloc(messages, SIZE, 0);
    victim_require(message != NULL && (kept != NULL || is("gone")), "sockmalloc_message_alloc");
    if (is("gone")) {
        sockmalloc_message_free(messages, message);
        victim_require(sockmalloc_message_close(messages) == 0, "sockmalloc_message_close");
    }
    misuse(messages, message, give, NULL);
}

static void free_in_ring(void *ring, void *message)
{
    if (is("scribbled")) {
        memset(memory + SOCKMALLOC_RING_ALIGNMENT, 'x', SOCKMALLOC_RING_ALIGNMENT); /* head and marker */
        sockmalloc_ring_alloc(ring, SIZE, 0);
    }
    sockmalloc_ring_free(ring, message);
}

static void misuse_ring(void)
{
    struct sockmalloc_ring *ring = sockmalloc_ring_create(memory, sizeof memory, NULL);
    void *message = sockmalloc_ring_alloc(ring, SIZE, 0);
    victim_require(message != NULL, "sockmalloc_ring_alloc");
    misuse(ring, message, free_in_ring, memory);
}

static void carve(void *nothing, void *buffer)
{
    (void)nothing;
    sockmalloc_slack_alloc(buffer, 1, 1);
}

static void misuse_slack(void)
{
    char *buffer = victim_take(SIZE);
    if (is("twice")) {
        free(buffer);
        what = "freed";
    }
    misuse(NULL, victim_hide(buffer), carve, NULL);
}

int main(int argc, char **argv)
{
    const char *object = victim_word(argc, argv, 1);
    what = victim_word(argc, argv, 2);
    if (strcmp(object, "pool") == 0) {
        misuse_pool();
    } else if (strcmp(object, "message") == 0) {
        misuse_message(free_message);
    } else if (strcmp(object, "batch") == 0) {
        misuse_message(free_in_batch);
    } else if (strcmp(object, "ring") == 0) {
        misuse_ring();
    } else {
        misuse_slack();
    }
    return EXIT_SUCCESS;
}
