/* Declares what the tests of three kinds of objects share: fixed-size pools, message pages and rings. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef ORACLE_BUFFER_KIND_H
#define ORACLE_BUFFER_KIND_H

#include <pthread.h>
#include <sockmalloc.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "draw.h"
#include "model.h"

enum { BUFFER_PLACES = 40, BUFFER_TYPES = 4 };

/* A place for one live block of an object under test. The object is a pool, an object of message pages, or a ring. A
 * thread that works on the place sets `busy` meanwhile. */
struct place_of_block {
    struct block block; /* its address is NULL if the place is empty */
    unsigned type;
    uint64_t order; /* for a message of a ring: how many messages the ring had allocated before it */
    atomic_bool busy;
};

/* Counts what was allocated of one message type. */
struct type_count {
    _Atomic uint64_t count;
    _Atomic uint64_t bytes;
    _Atomic uint64_t largest;
};

/*
 * An object under test, which all threads use at the same time: a fixed-size pool, an object of message pages, or a
 * ring. Each thread holds `lock` for reading while it uses the object. A thread that holds `lock` for writing is alone
 * with the object, and can compare all figures of the object with the model.
 */
struct object {
    const struct buffer_kind *kind;
    pthread_rwlock_t lock;
    void *handle; /* NULL while the object is closed */
    struct place_of_block place[BUFFER_PLACES];
    struct type_count type[BUFFER_TYPES];
    size_t size;           /* in bytes: the size of a pool's block, of a message page, or of a ring's chunk */
    size_t count;          /* the largest number of message pages, or the number of chunks of a ring */
    size_t alignment;      /* a power of two; each block must begin at a multiple of it */
    size_t largest;        /* the size in bytes of the largest block that the object can allocate */
    atomic_int got;        /* for a pool: how many chunks of memory the pool now has from the program's own allocator */
    atomic_bool producing; /* for a ring: true while a thread allocates from it */
    uint64_t orders;       /* for a ring: how many messages were allocated from it so far */
    size_t head;           /* the chunk at which the next message of the ring begins; SIZE_MAX if it is not known */
    char *memory;          /* for a ring: the memory in which it lies */
};

/*
 * The functions of one kind of object under test: pool, message pages or ring. A function that is marked (alone) is
 * called only by a thread that is alone with the object. `alloc` stores the block's address, request and type in the
 * place `at`. `alloc` returns false if no block was allocated and the documentation allows that in the present state.
 */
struct buffer_kind {
    const char *name;
    void (*open)(struct object *object, struct draw *draw); /* (alone) */
    bool (*alloc)(struct object *object, struct draw *draw, struct place_of_block *at);
    void (*free)(struct object *object, void *address);
    /* checks what the library reports about a live block */
    void (*look)(struct object *object, struct draw *draw, const struct place_of_block *at);
    /* calls functions with wrong arguments, and checks that each call fails */
    void (*wrong)(struct object *object, struct draw *draw);
    /* (alone: no other thread uses the object) compares all figures with the model */
    void (*compare)(struct object *object, struct draw *draw);
    /*
     * (alone: no other thread uses the object) Closes the object, which may have live blocks. Returns true if the
     * object was closed and the memory of its blocks is gone. Returns false if the library has refused to close it, as
     * it must do for some kinds while blocks are live.
     */
    bool (*close)(struct object *object, struct draw *draw);
};

extern const struct buffer_kind buffer_pool;
extern const struct buffer_kind buffer_message;
extern const struct buffer_kind buffer_ring;

/* `call` is an expression that calls a function, and is true if the function fails. Ends the process with a fault
 * unless the function fails and sets errno to `error`. */
#define DEMAND_REFUSED(call, error) buffer_demand((errno = 0, (call)) && errno == (error), #call)

/* Ends the process with a fault, whose message is `text`, unless `holds` is true. */
void buffer_demand(bool holds, const char *text);

/* buffer_live returns how many live blocks the object has. buffer_place_of returns the element of object->place whose
 * live block begins at this address, or NULL if there is none. */
size_t buffer_live(const struct object *object);
const struct place_of_block *buffer_place_of(const struct object *object, const void *address);

/* Counts a block of `size` bytes that was allocated with this message type. */
void buffer_count(struct object *object, unsigned type, size_t size);

#endif
