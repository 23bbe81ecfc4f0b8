/* A spin model of a message page of src/buffers: one thread allocates messages in it, other threads free them, and one
 * thread recycles the page. */
/* SPDX-License-Identifier: BSD-2-Clause */

/* What is modelled: the number `held` of a page, which all threads change; the counts of messages that each thread
 * keeps by itself; and the steps at which a thread adds a count to `held`, or subtracts one. A message takes one byte.
 * The owner allocates, frees some messages itself, hands the others out, and may find the page empty and fill it again.
 * Then it retires the page, which means that it no longer allocates in it. A freer, which is another thread, frees
 * messages that were handed out. It subtracts their number from `held` at any time, and at once when `held` counts no
 * other messages. A walker, which reads the messages of the page, pins the page once.
 *
 * What must be true: the page is recycled once, when no message is live and the owner has retired it, and never while
 * it is pinned. When all messages are freed and all frees are subtracted, the page is recycled.
 *
 * What is left out, and why that is sound:
 *  - Headers: a message belongs to the thread that has it, which alone reads and writes the header.
 *  - What happens with a recycled page: the stack of empty pages, which stack.pml models.
 *  - Signal handlers: inside the cache they act as a freer and as an owner of another page.
 *
 * Spin knows sequential consistency only. Beyond that: each subtraction releases what its thread has read and written
 * in its messages, and the one that makes `held` 0 acquires all that came before, because each change of `held` is a
 * read-modify-write. The owner's load before it fills the page again is an acquire for the same reason.
 *
 * Controls, each of which must make spin find a fault:
 *  TORN_RETIRE  the owner adds to `held` by a load and a store
 *  FORGET_FREED the owner does not leave out what it has freed itself
 *  EARLY_FILL   the owner fills the page again without a look at `held`
 *  PIN_ANY      the walker also pins a page that the owner still fills, or an empty page
 *  PIN_EMPTY    the walker pins a page that holds no message and that another walker has pinned, and never
 *               unpins it */

#ifndef MESSAGES
#define MESSAGES 3
#endif
#ifndef FREERS
#define FREERS 2
#endif
#ifndef WALKERS
#define WALKERS 1
#endif
#ifndef PIN
#define PIN 16
#endif

short held;
byte live;      /* messages that are allocated and not yet freed */
byte handed;    /* messages that the owner has handed out and no freer has taken */
byte unsettled; /* frees that freers have counted, but not yet subtracted from `held` */
bool retired;
bool recycled;
byte pins;
byte ended;

/* Models message_page_put. */
inline recycle()
{
    assert(!recycled && retired && live == 0 && pins == 0 && unsettled == 0);
    recycled = true
}

proctype owner()
{
    byte issued;
    byte freed;
    byte allocated;
    short seen;
    do
    :: allocated < MESSAGES ->
        d_step {
            allocated++;
            issued++;
            live++
        }
        if
        :: handed++
        :: d_step {
               live--;
               freed++
           }
        fi
    :: issued > 0 ->
        /* site message_rewind: load held acquire */
#ifdef EARLY_FILL
        seen = freed - issued;
#else
        seen = held;
#endif
        if
        :: seen + issued - freed == 0 ->
            assert(live == 0 && unsettled == 0);
            /* site message_rewind: store held relaxed */
            held = 0;
            issued = 0;
            freed = 0
        :: else
        fi
    :: allocated == MESSAGES -> break
    od;
#ifdef FORGET_FREED
    freed = 0;
#endif
#ifdef TORN_RETIRE
    seen = held;
    retired = true;
    held = seen + issued - freed;
    if
    :: held == 0 -> recycle()
    :: else
    fi;
#else
    atomic {
        /* site message_page_hold: fetch_add held acq_rel */
        retired = true;
        held = held + issued - freed;
        if
        :: held == 0 -> recycle()
        :: else
        fi
    }
#endif
    ended++
}

/* Models message_cache_settle. */
inline settle()
{
    atomic {
        held = held - pending;
        unsettled = unsettled - pending;
        pending = 0;
        if
        :: held == 0 -> recycle()
        :: else
        fi
    }
}

proctype freer()
{
    byte pending;
    do
    :: atomic {
           handed > 0 ->
           handed--;
           live--;
           pending++;
           unsettled++
       }
       /* site message_free_pending: load held relaxed */
       if
       :: held == pending -> settle()
       :: else
       fi
    :: pending > 0 -> settle()
    :: pending == 0 && retired && handed == 0 -> break
    od;
    ended++
}

proctype walker()
{
    short seen;
    bool pinned;
    /* site message_page_pin: load held relaxed */
    seen = held;
    do
#ifdef PIN_ANY
    :: false -> skip
#else
#ifdef PIN_EMPTY
    :: seen <= 0 -> break
#else
    :: seen <= 0 || seen % PIN == 0 -> break
#endif
#endif
    :: else ->
        atomic {
            /* site message_page_pin: compare_exchange_weak held acquire relaxed */
            if
            :: held == seen ->
                held = held + PIN;
                assert(retired && !recycled);
                pins++;
                pinned = true
            :: else -> seen = held
            fi
        }
        if
        :: pinned ->
#ifdef PIN_EMPTY
            if
            :: seen % PIN == 0 -> break
            :: else
            fi;
#endif
            atomic {
                pins--;
                held = held - PIN;
                if
                :: held == 0 -> recycle()
                :: else
                fi
            }
            break
        :: else
        fi
    od;
    ended++
}

init {
    byte i;
    atomic {
        run owner();
        do
        :: i < FREERS -> run freer(); i++
        :: else -> break
        od;
        i = 0;
        do
        :: i < WALKERS -> run walker(); i++
        :: else -> break
        od
    }
    ended == FREERS + WALKERS + 1;
    assert(recycled && live == 0 && held == 0)
}
