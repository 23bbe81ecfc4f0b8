/* A spin model of how caches exchange slots: private and public magazines, thieves, and ends of threads. */
/* SPDX-License-Identifier: BSD-2-Clause */

/* What is modelled: src/cache/cache*.c and src/cache/depot.c, for one bucket. A record holds the cache of one thread: a
 * private magazine, which only this thread uses, and a public one, which a thief (another thread) may take. A thread
 * opens a record, allocates and frees slots, has its quota changed, collects unused magazines of any record, and closes
 * its own record, which models its end. Then the process of the model stands for a new thread, which opens the same
 * record again. A thread does these steps in any order, and the number of operations, ends and new threads has no
 * bound. A slot that one thread has allocated may be freed by another thread. Spin tries every order of steps. A
 * comment "site" names the access in the code for which the step below it stands; scripts/check-model compares the
 * sites of the models and of the code, including memory orders.
 *
 * What must be true at every step: no two threads hold one magazine, no slot is allocated twice, none is read above a
 * magazine's count, a private magazine holds at most the quota, and a record that is opened again is empty. When all
 * threads have ended, each slot is in exactly one place, and each magazine lies in the depot, on the stack that its
 * count demands. The check at the end covers all earlier states as well, because from any state all threads may end,
 * and a slot that is lost or in two places remains so.
 *
 * The public word, which holds the number of a record's public magazine, has no tag, though magazines come back to it:
 * a thief loads the number of the magazine M, the owner of M takes M back, changes it and publishes it again, and the
 * thief's compare-and-swap succeeds. That is harmless as long as no decision depends on what the thief read of M
 * before.
 *
 * Steps: each access to a public word is a step of its own. These are modelled as sets: the depot's full magazines (of
 * both generations of decay, the young and the old one), its empty magazines, the free slots (of both generations,
 * purged, and never carved), and the slots that the program has. Sets are enough, because stack.pml covers the stacks,
 * and growth.pml the slots that were never used. A pop takes any member, or none, which is more than the code can do.
 * So a pop may be moved later, and a push earlier, past any step of another thread: whatever that thread finds then it
 * could have found without the move (R. J. Lipton, "Reduction", 1975). Pops therefore stand in one step with the access
 * to a public word that follows, and pushes with the one before. The load of `opened`, which only rises, stands in one
 * step with the look at a record below it. No other thread reads what a thread alone holds (its private magazine, its
 * run of new slots, or a magazine that it just got), except for the hints below.
 *
 * What is left out, and why that is sound:
 *  - Numbers: THREADS, SLOTS, MAGAZINES and QUOTA are small. Only its owner and thieves access a public word, and a
 *    thief accesses nothing else of a record, so an owner, a thief, and a second thief of that word are enough. Each
 *    thread has the record of its own number, which is no restriction, because threads without a record are all
 *    alike. That no two threads get one record is shown by growth.pml, and for a reused record by stack.pml.
 *  - Other buckets: no step touches words of two buckets.
 *  - Hints: a thief looks at the other records in any order, as often as it likes or not at all, and a count that it
 *    reads before its compare-and-swap can only make the thief leave the magazine alone. The code tests if slots are
 *    free before it takes one; here both ways are tried. Training is any change of the quota, at any time between two
 *    calls; the budget has budget.pml.
 *  - A compare-and-swap of the model may fail without a reason. That of the code is a strong one and does not.
 *  - The places in a magazine above its count are cleared, while the code leaves them, so that reading them is
 *    noticed. The order of slots in a magazine is kept.
 *  - A purge empties a magazine of the depot as a thread without a quota does, slot by slot.
 *  - malloc_trim and fork move magazines to the depot: the caller's by setting its quota to 0 and back, as an end
 *    and a new thread do here; those of others as the collection of unused magazines does.
 *  - The pool `cpu` has its magazines in no public word, and gives up its records as an end of a thread does.
 *
 * Spin knows sequential consistency only. Beyond that: a thread that puts a magazine into a public word releases
 * what it wrote to the magazine, and a thread that takes it out acquires that, because the exchange and the thief's
 * compare-and-swap are acq_rel. The stacks do the same for what passes through the depot. The release of `opened`
 * lets a walk that acquires it see initialized records below it; a record that is reused passes through the stack of
 * closed records.
 *
 * Controls, each of which must make spin find a fault:
 *  TRUST_HINT     a thief relies on the count that it read before its compare-and-swap
 *  TORN_STEAL     a thief takes a magazine by a separate load and store
 *  THIEF_PUTS     a thief leaves its empty magazine in exchange
 *  TORN_SHRINK    an owner takes its public magazine back by a separate load and store
 *  FORGET_PUBLIC  a thread that ends leaves its public magazine where it is
 *  FORGET_FRESH   a quota that becomes 0 leaves the rest of the thread's run of new slots */

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

#define NONE 0 /* stands for NULL: no magazine or no slot, because magazines and slots are numbered from 1 */
#define BIT(number) (1 << (number))
#define HAS(set, number) (((set) & BIT(number)) != 0)
#define WITH(set, number) ((set) | BIT(number))
#define WITHOUT(set, number) ((set) & ~BIT(number))
#define FROM_ONE_TO(number) (BIT((number) + 1) - BIT(1))

typedef magazine_record {
    /* how many slots the magazine has; out of date while the magazine is private, because then the record's `top` is
     * the count */
    byte count;
    byte slot[QUOTA]
}

magazine_record magazine[MAGAZINES + 1];
byte public_magazine[THREADS]; /* the number of each record's public magazine, or NONE */

byte opened; /* how many records were ever used by a thread */
byte closed; /* the set of records without a thread */
byte depot_full; /* the set of the depot's magazines that have slots; depot_empty is the set of its empty magazines */
byte depot_empty;
/* sets of slots: `free_slots` has the slots that are on the bucket's stacks or not yet carved, `live` those that the
 * program has allocated */
byte free_slots;
byte live;

byte held; /* the set of magazines that threads hold, including the private ones */

byte before, number, place, found; /* these variables are used within one step only, and are 0 after it */

/* True within a malloc that the two magazines of the thread cannot serve. */
#define WANTS (missed || (has_record && quota == 0))

#define MINE public_magazine[mine]
#define THEIRS public_magazine[victim]
#define COUNT(number) magazine[number].count
#define SLOT(number, place) magazine[number].slot[place]

#include "exchange_inside.inc"

/* Checks the state when all records are closed: no thread has a slot or a magazine, and every slot and magazine is in
 * its place. */
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
                assert(!HAS(found, SLOT(number, place))); /* otherwise the slot would be in two places */
                found = WITH(found, SLOT(number, place));
                place++
            :: else -> break
            od;
            place = 0;
            number++
        :: else -> break
        od;
        number = 0;
        assert(found == FROM_ONE_TO(SLOTS)); /* otherwise some slots would be lost */
        found = 0
    }
}

#include "exchange_steps.inc"

proctype thread(byte mine)
{
    byte private, top, quota, own, got, victim, seen, slot;
    byte fresh; /* the set of slots that the thread has carved as a run and not yet allocated, one bit for each slot */
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
