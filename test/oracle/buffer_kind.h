/* What the three kinds of objects of include/sockmalloc.h have in common: fixed-size pools, message pages and rings. */
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

/* A place for a live block of an object. A thread works on a place while it has set `busy`. */
struct place_of_block {
    struct block block; /* its address is NULL if the place is empty */
    unsigned type;
    uint64_t order; /* how many blocks of the object were allocated before; for rings */
    atomic_bool busy;
};

/* What was allocated of a type. */
struct type_count {
    _Atomic uint64_t count;
    _Atomic uint64_t bytes;
    _Atomic uint64_t largest;
};

/*
 * An object that all threads use at the same time. Each of them holds `lock` for reading then. A thread that holds it
 * for writing is alone with the object, and can compare all of its figures with the model.
 */
struct object {
    const struct buffer_kind *kind;
    pthread_rwlock_t lock;
    void *handle; /* NULL while the object is closed */
    struct place_of_block place[BUFFER_PLACES];
    struct type_count type[BUFFER_TYPES];
    size_t size;           /* bytes of a pool's blocks, of a message page, or of a ring's chunk */
    size_t count;          /* the most message pages, or the chunks of a ring */
    size_t alignment;      /* that each block must have */
    size_t largest;        /* bytes of the largest block */
    atomic_int got;        /* chunks that the program's own allocator has lent to a pool */
    atomic_bool producing; /* true while a thread allocates from a ring */
    uint64_t orders;       /* how many messages of the ring were allocated */
    size_t head;           /* the chunk at which the next message of the ring begins; SIZE_MAX if it is not known */
    char *memory;          /* of a ring */
};

/*
 * The functions of a kind. Those marked (alone) are called by a thread that is alone with the object. `alloc` stores
 * the block's address, request and type in the place. It returns false, if the documentation allows a refusal at the
 * time.
 */
struct buffer_kind {
    const char *name;
    void (*open)(struct object *object, struct draw *draw); /* (alone) */
    bool (*alloc)(struct object *object, struct draw *draw, struct place_of_block *at);
    void (*free)(struct object *object, void *address);
    void (*look)(struct object *object, struct draw *draw, const struct place_of_block *at); /* at a live block */
    void (*wrong)(struct object *object, struct draw *draw);   /* passes wrong arguments, each of which is refused */
    void (*compare)(struct object *object, struct draw *draw); /* (alone) compares all figures with the model */
    /* (alone) Closes the object, which may have live blocks. Returns true if their memory is gone with it, and false if
     * it refused, as it must if there are any, and stays open. */
    bool (*close)(struct object *object, struct draw *draw);
};

extern const struct buffer_kind buffer_pool;
extern const struct buffer_kind buffer_message;
extern const struct buffer_kind buffer_ring;

/* Ends the process with a fault if the call did not fail with errno `error`. */
#define DEMAND_REFUSED(call, error) buffer_demand((errno = 0, (call)) && errno == (error), #call)

/* Ends the process with a fault that has this text if `holds` is false. */
void buffer_demand(bool holds, const char *text);

/* Return how many live blocks the object has, and the place of the block with this address, or NULL. */
size_t buffer_live(const struct object *object);
const struct place_of_block *buffer_place_of(const struct object *object, const void *address);

/* Counts a block of a type. */
void buffer_count(struct object *object, unsigned type, size_t size);

#endif
