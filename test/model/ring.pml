/* A spin model of a ring: one producer moves the head and the free marker (the end of the chunks that are known to be
 * free), and other threads free messages in any order, wake the producer, or die. */
/* SPDX-License-Identifier: BSD-2-Clause */

/* What is modelled: src/buffers/ring.c. The producer allocates messages of 1 to MOST chunks as often as it likes. When
 * the ring is full it gives up or waits. It may die between any two steps; a successor then goes on with what is in the
 * shared memory. The other threads free messages in any order. Each of them may die before it has freed a message, or
 * before it has woken the producer; what it held is then reclaimed. Each access to a word that threads share is one
 * step, and spin tries every order of steps. A comment "site" names the access in the code for which the step below it
 * stands; scripts/check-model compares the sites of the models and of the code, including memory orders.
 *
 * What must be true at every step: no chunk is in two messages; the marker meets only states that ring_place has
 * written, so that the process is never ended as if the ring were damaged; the head does not pass the marker. If the
 * producer sleeps and no other thread is inside a free, then the message at the marker is in use: no wake is lost.
 *
 * What is left out, and why that is sound: CHUNKS, MOST and FREERS are small. The lap of a position, which counts how
 * often it has gone round the ring, is one bit here, because two positions differ by one lap at most. Holders, sizes
 * and types pass through the ring and decide nothing in it. A process that takes a message changes the holder in the
 * state's word by a compare-and-swap that fails if the message was freed. Memory orders: the argument needs that a free
 * releases, that the load of a state by which the marker moves acquires, and that ring_await_free, sockmalloc_ring_free
 * and sockmalloc_ring_reclaim use seq_cst for the state and for the number of the chunk that is waited for: each thread
 * writes one and then reads the other.
 *
 * Controls, each of which must make spin find a fault:
 *  MARKER_SKIPS  the marker also moves over messages in use
 *  NO_LAP        positions have no lap, so a full ring looks like an empty one
 *  NO_PAD        the head moves to chunk 0 and leaves no message behind, over which the marker could move
 *  HEAD_FIRST    the head moves before the state of the message is written
 *  LATE_READ     a thread reads a message after it has freed it
 *  SLEEP_AT_ONCE the producer sleeps without a second look at the message at the marker
 *  LOOK_FIRST    a free looks if the producer waits before it changes the state
 *  FORGET_WAKE   a reclaim does not wake the producer */

#ifndef CHUNKS
#define CHUNKS 3
#endif
#ifndef MOST
#define MOST 2
#endif
#ifndef FREERS
#define FREERS 2
#endif

#ifdef NO_LAP
#define LAPS 1
#else
#define LAPS 2
#endif

/* A position is lap * CHUNKS + chunk. */
#define CHUNK_OF(position)      ((position) % CHUNKS)
#define OCCUPIED(head, marker)  (((head) + LAPS * CHUNKS - (marker)) % (LAPS * CHUNKS))
#define NEXT_LAP(position)      (((position) / CHUNKS + 1) % LAPS * CHUNKS)

/* the shared memory */
byte head, marker;
bool in_use[CHUNKS];
byte chunks_of[CHUNKS];
byte waiting; /* the number of the chunk that the producer waits for, plus one; 0 if it waits for none */

/* what the program knows about messages in use: `held` is how many chunks the message has that begins at this chunk,
 * and `used` is the set of chunks that messages use */
byte held[CHUNKS];
bool used[CHUNKS];

bool asleep;
byte inside; /* how many threads are inside a free */

inline check_sleep()
{
    assert(!asleep || inside > 0 || in_use[CHUNK_OF(marker)])
}

inline mark_used(first, count, value)
{
    number = 0;
    do
    :: number < count -> assert(used[first + number] != value); used[first + number] = value; number++
    :: else -> break
    od;
    number = 0
}

inline advance(position, count)
{
    if
    :: CHUNK_OF(position) + count == CHUNKS -> position = NEXT_LAP(position)
    :: else -> position = position + count
    fi
}

/* Records that the message at the head is in use, and which chunks it has. */
inline become_used()
{
    if
    :: !pads -> held[CHUNK_OF(at)] = left; mark_used(CHUNK_OF(at), left, true)
    :: else
    fi
}

/* Writes the state of `left` chunks at the head `at`, and moves the head, which makes the message the program's. If the
 * producer dies before it has moved the head, nobody may read the state, so the model clears it. */
inline ring_place()
{
#ifdef HEAD_FIRST
    atomic { next = at; advance(next, left); head = next; become_used() };
    if
    :: true
    :: goto dies
    fi;
    in_use[CHUNK_OF(at)] = !pads;
    chunks_of[CHUNK_OF(at)] = left;
#else
    atomic {
        /* site ring_place: store state release */
        in_use[CHUNK_OF(at)] = !pads;
        chunks_of[CHUNK_OF(at)] = left;
        if
        :: true
        :: in_use[CHUNK_OF(at)] = false; chunks_of[CHUNK_OF(at)] = 0; goto dies
        fi
    };
    atomic {
        next = at;
        advance(next, left);
        /* site ring_place: store head relaxed */
        head = next;
        become_used();
        next = 0
    }
#endif
}

/* Only the producer writes the head and the marker, so it may read both in one step. */
inline ring_read()
{
    atomic {
        /* site ring_read: load marker relaxed */
        seen = marker;
        /* site ring_read: load head relaxed */
        at = head;
        left = OCCUPIED(at, seen);
        assert(left <= CHUNKS)
    }
}

inline step()
{
    if
    :: CHUNK_OF(marker) == CHUNKS - 1 -> marker = NEXT_LAP(marker)
    :: else -> marker++
    fi
}

inline ring_move_marker()
{
    ring_read();
    moved = false;
    do
    :: left == 0 -> break
    :: left > 0 ->
        atomic {
            /* site ring_move_marker: load state acquire */
            count = chunks_of[CHUNK_OF(seen)];
            assert(count > 0 && count <= left && count <= CHUNKS - CHUNK_OF(seen));
            if
#ifdef MARKER_SKIPS
            :: false -> break
#else
            :: in_use[CHUNK_OF(seen)] -> break
#endif
            :: else -> left = left - count; advance(seen, count); moved = true
            fi
        }
    od;
    atomic {
        if
        :: true
        :: goto dies
        fi;
        /* Once the marker has passed a state, nobody may read the state, so the model clears it. */
        do
        :: marker != seen -> in_use[CHUNK_OF(marker)] = false; chunks_of[CHUNK_OF(marker)] = 0; step()
        :: else -> break
        od;
        /* site ring_move_marker: store marker relaxed */
        marker = seen;
        count = 0;
        seen = 0
    }
}

inline ring_await_free()
{
    ring_read();
    if
    :: left > 0 ->
        atomic {
            /* site ring_await_free: store waiting seq_cst */
            waiting = CHUNK_OF(seen) + 1;
            if
            :: true
            :: goto dies
            fi
        };
        atomic {
            /* site ring_await_free: load state seq_cst */
#ifdef SLEEP_AT_ONCE
            moved = true
#else
            moved = in_use[CHUNK_OF(seen)]
#endif
        };
        if
        :: moved ->
            atomic {
                moved = false;
                if
                :: waiting == CHUNK_OF(seen) + 1 -> asleep = true; check_sleep()
                :: else
                fi
            };
            !asleep /* the producer waits in the kernel until another thread wakes it */
        :: else
        fi;
        /* site ring_await_free: store waiting relaxed */
        waiting = 0
    :: else
    fi
}

proctype producer()
{
    byte wanted, at, next, seen, left, count, number;
    bool moved, pads;

begin:
    atomic {
        at = 0; next = 0; seen = 0; left = 0; count = 0; moved = false; pads = false; wanted = 1;
        do
        :: wanted < MOST -> wanted++
        :: break
        od
    };
again:
    ring_read();
    if
    :: wanted <= CHUNKS - left && wanted <= CHUNKS - CHUNK_OF(at) -> left = wanted
    :: else ->
        if
        :: CHUNKS - CHUNK_OF(at) <= CHUNKS - left ->
#ifdef NO_PAD
            head = NEXT_LAP(at);
            goto again
#else
            atomic { left = CHUNKS - CHUNK_OF(at); pads = true }
#endif
        :: else ->
            ring_move_marker();
            if
            :: moved -> moved = false; goto again
            :: !moved -> goto begin /* EAGAIN */
            :: !moved -> ring_await_free(); goto again
            fi
        fi
    fi;
    ring_place();
    atomic {
        if
        :: pads -> pads = false; left = 0; goto again
        :: else -> goto begin
        fi
    };
dies:
    /* The successor of a dead producer begins with what is in the shared memory. */
    goto begin
}

inline wake()
{
    asleep = false
}

/* Chooses any message that is in use. Waits if there is none. */
inline choose()
{
    if
    :: held[0] > 0 -> first = 0
    :: held[1] > 0 -> first = 1
#if CHUNKS > 2
    :: held[2] > 0 -> first = 2
#endif
#if CHUNKS > 3
    :: held[3] > 0 -> first = 3
#endif
    fi;
    count = held[first];
    held[first] = 0;
    inside++
}

inline free_state()
{
    /* site sockmalloc_ring_free: fetch_and state seq_cst */
    assert(in_use[first]);
#ifndef LATE_READ
    mark_used(first, count, false);
    count = 0;
#endif
    in_use[first] = false
}

inline ring_wake()
{
#ifndef LOOK_FIRST
    atomic {
        /* site ring_wake: load waiting seq_cst */
        woken = (waiting == first + 1)
    };
#endif
    if
    :: woken ->
        atomic {
            woken = false;
            /* site ring_wake: compare_exchange_strong waiting relaxed relaxed */
            if
            :: waiting == first + 1 -> waiting = 0
            :: else
            fi;
            first = 0
        };
        wake()
    :: else
    fi
}

/*
 * Models what another process does for a process that has died, after it has freed the message that the dead process
 * held: it wakes the producer. If the dead process has freed the message itself, this is all that remains to be done.
 */
inline sockmalloc_ring_reclaim()
{
    atomic {
        first = 0;
#ifndef FORGET_WAKE
        /* site sockmalloc_ring_reclaim: store waiting seq_cst */
        waiting = 0
#endif
    };
#ifndef FORGET_WAKE
    wake()
#endif
}

/*
 * A thread that has chosen a message does nothing to the ring before it frees the message, so choosing and freeing are
 * one step here.
 */
proctype freer()
{
    byte first, count, number;
    bool woken;

    do
#ifdef LOOK_FIRST
    :: atomic { choose(); woken = (waiting == first + 1) };
        atomic { free_state() };
        ring_wake();
#else
    :: atomic { choose(); free_state() };
#ifdef LATE_READ
        atomic { mark_used(first, count, false); count = 0 };
#endif
        if
        :: ring_wake()
        :: sockmalloc_ring_reclaim() /* the thread died after its free, and before it has woken the producer */
        fi;
#endif
        atomic { first = 0; woken = false; inside--; check_sleep() }
    :: atomic {
            /* the thread died while it held the message */
            choose();
            /* site ring_reclaim_one: load state relaxed */
            /* site ring_reclaim_one: compare_exchange_weak state seq_cst relaxed */
            free_state();
            count = 0
        };
        sockmalloc_ring_reclaim();
        atomic { first = 0; inside--; check_sleep() }
    od
}

init
{
    byte number;

    atomic {
        run producer();
        do
        :: number < FREERS -> run freer(); number++
        :: else -> break
        od;
        number = 0
    }
}
