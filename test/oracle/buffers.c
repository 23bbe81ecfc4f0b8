/* Draws random calls of the functions for a program's own buffers: fixed-size pools, message pages and rings. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "buffers.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buffer_kind.h"
#include "fault.h"

#pragma weak sockmalloc_pool_create

enum { CALLS = 12, RUSH_BLOCKS = 10, RUSH_TURNS = 30, RUSH_ONE_IN = 12, CHILD_SECONDS = 60 };

static struct object objects[] = {{.kind = &buffer_pool},    {.kind = &buffer_pool}, {.kind = &buffer_message},
                                  {.kind = &buffer_message}, {.kind = &buffer_ring}, {.kind = &buffer_ring}};
enum { OBJECTS = sizeof objects / sizeof *objects };
_Static_assert(OBJECTS *BUFFER_PLACES <= MODEL_BUFFERS, "the model has room for all blocks");

static atomic_uint *misuses; /* how often this process and its children have freed a wrong address on purpose */

void buffer_demand(bool holds, const char *text)
{
    if (!holds) {
        fault_die("not so: %s (errno %d)", text, errno);
    }
}

size_t buffer_live(const struct object *object)
{
    size_t live = 0;
    for (unsigned i = 0; i < BUFFER_PLACES; i++) {
        live += object->place[i].block.address != NULL;
    }
    return live;
}

const struct place_of_block *buffer_place_of(const struct object *object, const void *address)
{
    for (unsigned i = 0; i < BUFFER_PLACES; i++) {
        if (object->place[i].block.address == address) {
            return &object->place[i];
        }
    }
    return NULL;
}

void buffer_count(struct object *object, unsigned type, size_t size)
{
    struct type_count *counted = &object->type[type];
    atomic_fetch_add(&counted->count, 1);
    atomic_fetch_add(&counted->bytes, size);
    if (size > atomic_load(&counted->largest)) {
        /* two threads cannot store here at once, because `largest` is counted only for messages of rings, and only one
         * thread at a time allocates from a ring */
        atomic_store(&counted->largest, size);
    }
}

static void take(struct object *object, struct draw *draw, struct place_of_block *at)
{
    struct block *block = &at->block;
    int before = errno = ERANGE;
    if (!object->kind->alloc(object, draw, at)) {
        return;
    }
    buffer_demand(errno == before, "a call that succeeds keeps errno");
    block->alignment = object->alignment;
    block->maker = object->kind->name;
    model_claim(block);
    model_fill(block, draw_bits(draw), true);
}

static void give(struct object *object, struct place_of_block *at)
{
    model_release(&at->block);
    errno = ERANGE;
    object->kind->free(object, at->block.address);
    buffer_demand(errno == ERANGE, "free keeps errno");
    at->block.address = NULL;
}

/* Frees an address that must not be freed. The library must then end the process, so only a child of a fork calls this
 * function. */
static void misuse(struct object *object, struct draw *draw, const struct block *block)
{
    char elsewhere[64];
    char *address = (char *)block->address;
    size_t inside = block->request > 1 ? 1 + draw_below(draw, block->request - 1) : 1;
    char *wrong[] = {address, address + inside, elsewhere, (char *)16, (char *)malloc(5000), (char *)object};
    unsigned which = (unsigned)draw_below(draw, sizeof wrong / sizeof *wrong);
    if (which == 0) {
        object->kind->free(object, address);
    }
    object->kind->free(object, wrong[which]);
}

/*
 * Frees a wrong address in a child, and checks that the library ends the child by abort. run-oracle counts the
 * library's lines on stderr. This program cannot read them, because the library writes only to the stderr that the
 * program had at its start.
 */
static void misuse_in_child(struct object *object, struct draw *draw, const struct block *block)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGABRT, SIG_DFL);
        fault_watch(CHILD_SECONDS);
        misuse(object, draw, block);
        _exit(0);
    }
    buffer_demand(child > 0 && waitpid(child, &status, 0) == child, "a child can be made");
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT) {
        fault_die("a misuse ended with status 0x%x", (unsigned)status);
    }
    atomic_fetch_add(misuses, 1);
}

/* Makes a random call with the block in the place `at`, or allocates a block if the place is empty. No other thread
 * uses the place meanwhile. */
static void call_at(struct object *object, struct draw *draw, struct place_of_block *at)
{
    if (at->block.address == NULL) {
        take(object, draw, at);
        return;
    }
    model_compare(&at->block, at->block.address, at->block.filled);
    switch (draw_below(draw, 8)) {
    case 0:
        object->kind->look(object, draw, at);
        return;
    case 1:
        object->kind->wrong(object, draw);
        return;
    case 2:
        if (draw_one_in(draw, 60)) {
            misuse_in_child(object, draw, &at->block);
        }
        return;
    default:
        give(object, at);
    }
}

/* Allocates and frees as fast as possible, so that several threads often use the object at the same moment. The thread
 * writes its own mark into each block. If two threads get one block, one of them finds the other's mark. */
static void rush(struct object *object, struct draw *draw)
{
    struct place_of_block own[RUSH_BLOCKS];
    unsigned char mark = (unsigned char)draw_bits(draw);
    for (unsigned turn = 0; turn < RUSH_TURNS; turn++) {
        size_t count = 0;
        for (unsigned i = 0; i < RUSH_BLOCKS; i++) {
            if (object->kind->alloc(object, draw, &own[count])) {
                memset(own[count].block.address, mark, own[count].block.request > 0 ? 1 : 0);
                count++;
            }
        }
        for (size_t i = 0; i < count; i++) {
            const struct block *block = &own[i].block;
            buffer_demand(block->request == 0 || *block->address == mark, "two threads have two blocks");
            object->kind->free(object, block->address);
        }
    }
}

static void call_among_others(struct object *object, struct draw *draw)
{
    pthread_rwlock_rdlock(&object->lock);
    if (object->handle != NULL && draw_one_in(draw, RUSH_ONE_IN)) {
        rush(object, draw);
    }
    for (unsigned i = 0; i < CALLS && object->handle != NULL; i++) {
        struct place_of_block *at = &object->place[draw_below(draw, BUFFER_PLACES)];
        if (!atomic_exchange(&at->busy, true)) {
            call_at(object, draw, at);
            atomic_store(&at->busy, false);
        }
    }
    pthread_rwlock_unlock(&object->lock);
}

static void give_all(struct object *object)
{
    for (unsigned i = 0; i < BUFFER_PLACES; i++) {
        if (object->place[i].block.address != NULL) {
            give(object, &object->place[i]);
        }
    }
}

/* Calls `call`, a function of model.h, for each live block of the object. */
static void for_each_live(struct object *object, void (*call)(const struct block *block))
{
    for (unsigned i = 0; i < BUFFER_PLACES; i++) {
        if (object->place[i].block.address != NULL) {
            call(&object->place[i].block);
        }
    }
}

/*
 * Closes the object, which may have live blocks, and checks the result. The live blocks are removed from the model
 * before the object is closed, because closing may free them, and another thread may then allocate the addresses at
 * once. If the object refuses to be closed, its blocks are still live.
 */
static void close_it(struct object *object, struct draw *draw)
{
    if (draw_one_in(draw, 2)) {
        give_all(object);
    }
    object->kind->compare(object, draw);
    for_each_live(object, model_release);
    bool was_used = buffer_live(object) > 0;
    if (!object->kind->close(object, draw)) {
        buffer_demand(was_used, "an object without live blocks is closed");
        for_each_live(object, model_claim);
        give_all(object);
        buffer_demand(object->kind->close(object, draw), "an object is closed when all is freed");
    }
    for (unsigned i = 0; i < BUFFER_PLACES; i++) {
        object->place[i].block.address = NULL;
    }
    object->handle = NULL;
}

static void call_alone(struct object *object, struct draw *draw)
{
    pthread_rwlock_wrlock(&object->lock);
    if (object->handle == NULL) {
        memset(object->type, 0, sizeof object->type);
        object->kind->open(object, draw);
    } else if (draw_one_in(draw, 4)) {
        close_it(object, draw);
    } else {
        object->kind->compare(object, draw);
    }
    pthread_rwlock_unlock(&object->lock);
}

static bool are_here(void)
{
    return sockmalloc_pool_create != NULL;
}

unsigned buffers_misuses(void)
{
    return atomic_load(misuses);
}

void buffers_open(void)
{
    misuses = mmap(NULL, sizeof *misuses, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    buffer_demand(misuses != MAP_FAILED, "a page can be shared");
    for (unsigned i = 0; i < OBJECTS; i++) {
        pthread_rwlock_init(&objects[i].lock, NULL);
    }
}

void buffers_step(struct draw *draw)
{
    struct object *object = &objects[draw_below(draw, OBJECTS)];
    place.call = object->kind->name;
    if (!are_here()) {
        return;
    }
    if (draw_one_in(draw, 6)) {
        call_alone(object, draw);
    } else {
        call_among_others(object, draw);
    }
}

void buffers_stop(void)
{
    for (unsigned i = 0; i < OBJECTS; i++) {
        pthread_rwlock_wrlock(&objects[i].lock);
    }
}

/*
 * The child of a fork initializes the locks anew, because in the child's copies of the locks, threads of the parent
 * still count as waiting.
 */
void buffers_go_on(bool is_child)
{
    for (unsigned i = 0; i < OBJECTS; i++) {
        if (is_child) {
            pthread_rwlock_init(&objects[i].lock, NULL);
        } else {
            pthread_rwlock_unlock(&objects[i].lock);
        }
    }
}

void buffers_close(struct draw *draw)
{
    place.call = "the end of the buffers";
    for (unsigned i = 0; i < OBJECTS; i++) {
        if (objects[i].handle != NULL) {
            close_it(&objects[i], draw);
        }
    }
}
