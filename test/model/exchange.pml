/* A spin model of the caches' exchange: private and public magazines, thieves, and threads' ends. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What is modelled: src/cache/cache*.c and src/cache/depot.c, for one bucket. A thread opens a record, takes and
 * gives slots, has its quota changed, collects what lies unused in any record, and closes its own;
 * then it is another thread, which opens the same record again. It does so as often as it likes and
 * in any order: nothing bounds the number of operations, ends and new threads. What one thread took
 * another may give. Spin tries every order of steps. A comment "site" names the access of the code
 * that the step below it stands for; scripts/check-model holds the two to each other, orders included.
 *
 * What must hold at every step: no magazine is in two hands, no slot is handed out twice, none is
 * read from above a magazine's count, a private magazine holds no more than the quota, and a
 * record that is opened again holds nothing. When all threads have ended: each slot lies in one
 * place, once; each magazine lies in the depot, on the stack that its count says. That answers for
 * the middle, too: from any state all threads may end, and what is lost or doubled stays so.
 *
 * The public word has no tag, though magazines come back: a thief loads M, its owner takes M back,
 * changes it and publishes it again, and the thief's compare-and-swap succeeds. That is harmless
 * as long as what the thief read of M before decides nothing.
 *
 * Steps. Each access to a public word is a step of its own. The depot's full magazines of either
 * generation, its empty ones, the free slots (of either generation, purged, and never carved) and
 * what the program holds are sets: stack.pml answers for the stacks, growth.pml for what was never
 * used. A pop takes any member, or none: more than the code can do. So taking from a set can be put
 * off, and giving to one brought forward, past any step of another thread: whatever that one finds
 * then it could have found without (R. J. Lipton, "Reduction", 1975). Takes therefore stand in one
 * step with the access to a public word that follows, gives with the one before; and the load of
 * `opened`, which only rises, with the look at a record below it. What the caller alone holds (its
 * private magazine, its run, or a magazine that it just got) nobody else reads, but for the hints
 * below.
 *
 * What is left out, and why that is sound:
 *  - Numbers. THREADS, SLOTS, MAGAZINES and QUOTA are small. A public word is touched by its owner
 *    and by thieves, and a thief touches nothing else of a record: an owner, a thief, and one who
 *    robs the same word are three threads. That a thread has the record of its own number is no
 *    restriction: threads without a record are all alike. That no two get the same record is
 *    growth.pml's, and for one that comes back stack.pml's.
 *  - Other buckets: no step touches words of two.
 *  - What only hints. A thief looks at the other records in any order, as often as it likes or not
 *    at all, and a count that it reads before its compare-and-swap only makes it pass by. Whether
 *    slots are free is asked before one is taken; here either way may be gone. Training is any
 *    change of the quota, at any time between two calls; the budget has budget.pml.
 *  - A compare-and-swap may fail without a cause, which the code's, a strong one, does not.
 *  - What lies in a magazine above its count is cleared, where the code leaves it: who reads it is
 *    caught. The order of slots in a magazine is kept.
 *  - The purge empties a magazine of the depot's as a thread without a quota does, slot by slot.
 *  - What malloc_trim and a fork bring to the depot: of their own, by a quota taken away and given
 *    back, which an end and a new thread do here; of others, as who collects what lies unused.
 *  - The pool `cpu`: its magazines lie in no public word, and it leaves the records as ends do.
 *
 * Spin knows sequential consistency only. Beyond it the argument rests on these orders: whoever
 * puts a magazine into a public word releases what he wrote to it, and whoever gets one out
 * acquires that: the exchange, and the thief's compare-and-swap, are acq_rel. The stacks do the
 * same for what goes over the depot. The release of `opened` lets a walk that acquires it find the
 * records below ready; a record that comes back does so over the stack of closed ones.
 *
 * Controls, each of which must fail:
 *  TRUST_HINT     a thief believes the count that it read before its compare-and-swap
 *  TORN_STEAL     a thief takes by a load and a store
 *  THIEF_PUTS     a thief leaves its empty magazine in exchange
 *  TORN_SHRINK    an owner takes its public magazine back by a load and a store
 *  FORGET_PUBLIC  a thread's end leaves the public magazine where it is
 *  FORGET_FRESH   an end of the quota leaves what remains of its run
 */

#ifndef THREADS
#define THREADS 2
#endif
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef MAGAZINES
#define MAGAZINES 3
#endif
#ifndef QUOTA
#define QUOTA 2
#endif

#define NONE 0 /* NULL: magazines and slots are numbered from 1 */
#define BIT(number) (1 << (number))
#define HAS(set, number) (((set) & BIT(number)) != 0)
#define WITH(set, number) ((set) | BIT(number))
#define WITHOUT(set, number) ((set) & ~BIT(number))
#define FROM_ONE_TO(number) (BIT((number) + 1) - BIT(1))

typedef magazine_record {
    byte count; /* behind the truth while private: then the record's `top` is the truth */
    byte slot[QUOTA]
}

magazine_record magazine[MAGAZINES + 1];
byte public_magazine[THREADS]; /* of each record */

byte opened; /* records ever used */
byte closed; /* the set of records without a thread */
byte depot_full; /* sets of magazines */
byte depot_empty;
byte free_slots; /* sets of slots: on the bucket's stacks or uncarved, and with the program */
byte live;

byte held; /* the set of magazines in somebody's hand; private ones are */

byte before, number, place, found; /* used inside of a step only, and zero after it */

/* A malloc that its own two magazines can't serve. */
#define WANTS (missed || (has_record && quota == 0))

#define MINE public_magazine[mine]
#define THEIRS public_magazine[victim]
#define COUNT(number) magazine[number].count
#define SLOT(number, place) magazine[number].slot[place]

#include "exchange_inside.inc"

/* At rest, when all records are closed: nobody has anything, and all is in its place. */
inline check_rest()
{
    d_step {
        assert(held == 0 && (free_slots & live) == 0);
        assert((depot_full ^ depot_empty) == FROM_ONE_TO(MAGAZINES));
        do
        :: number < THREADS -> assert(public_magazine[number] == NONE); number++
        :: else -> break
        od;
        found = free_slots | live;
        number = 1;
        do
        :: number <= MAGAZINES ->
            assert(HAS(depot_full, number) == (COUNT(number) > 0));
            do
            :: place < COUNT(number) ->
                assert(!HAS(found, SLOT(number, place))); /* else it is in two places */
                found = WITH(found, SLOT(number, place));
                place++
            :: else -> break
            od;
            place = 0;
            number++
        :: else -> break
        od;
        number = 0;
        assert(found == FROM_ONE_TO(SLOTS)); /* else some were lost */
        found = 0
    }
}

#include "exchange_steps.inc"

proctype thread(byte mine)
{
    byte private, top, quota, own, got, victim, seen, slot;
    byte fresh; /* the set of slots in the thread's run */
    bool has_record, missed;
#ifdef TRUST_HINT
    byte hint;
#endif

end:
    do
    :: atomic { !has_record && opened >= mine -> cache_open() }
    :: take()
    :: give()
    :: cache_set_quota()
    :: cache_collect_idle()
    od
}

init
{
    atomic {
        depot_empty = FROM_ONE_TO(MAGAZINES);
        free_slots = FROM_ONE_TO(SLOTS);
        do
        :: number < THREADS -> run thread(number); number++
        :: else -> break
        od;
        number = 0
    }
}
