/* A spin model of the caches' exchange: private and public magazines, thieves, and threads' ends. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What is modelled: src/cache.c and src/cache_threads.c, for one bucket. A thread opens a record,
 * takes and gives slots, has its quota changed, closes the record, and ends or opens another: as
 * often as it likes and in any order. Nothing bounds the number of operations, exits and
 * reopenings. A slot that one thread took another may give. Each access to a word that threads
 * share is one step, and spin tries every order of steps; the comments "site" name the source line
 * that a step stands for, and scripts/check-model holds the two to each other.
 *
 * What must hold at every step: no magazine is in two hands, no slot is handed out twice, none is
 * read from above a magazine's count, a private magazine holds no more than the quota, and a
 * record that is opened again holds nothing. When all threads have ended: each carved slot lies in
 * one place, once; no record and no hand holds anything. That answers for the middle, too: from
 * any state all threads may end, and what is lost or doubled stays so.
 *
 * The public word has no tag, though magazines come back: a thief loads M, its owner takes M back,
 * changes it and publishes it again, and the thief's compare-and-swap succeeds. That is harmless
 * as long as what the thief read of M before decides nothing.
 *
 * What is left out, and why that is sound:
 *  - Numbers. THREADS, SLOTS, MAGAZINES and QUOTA are small. A public word is touched by its owner
 *    and by thieves, and a thief touches nothing else of a record: an owner, a thief, and one who
 *    opens the record next or robs the same word are three threads.
 *  - Other buckets: no step touches words of two.
 *  - The depot's two stacks, the stack of closed records and the loose slots (purged ones are among
 *    them) are sets, changed in one step: stack.pml is about that. A pop takes any member, not the
 *    last: more than the code can do.
 *  - What only hints. A thief looks at the other records in any order, as often as it likes or not
 *    at all, and a count that it reads before its compare-and-swap would only make it pass by.
 *    Whether slots are loose is asked before one is taken; here either way may be gone. Training
 *    and the budget are any change of the quota. All this is more than the code can do.
 *  - What the caller alone holds (its private magazine, or one that it just got) is read and
 *    written in one step with the access before it: nobody else sees it, but for the hints above.
 *  - A compare-and-swap may fail without a cause, as a weak one does.
 *  - What lies in a magazine above its count is cleared, where the code leaves it: who reads it is
 *    caught. The order of slots in a magazine is kept.
 *
 * Spin knows sequential consistency only. Beyond it the argument rests on these orders: whoever
 * puts a magazine into a public word releases what he wrote to it, and whoever gets one out
 * acquires that (the exchange, and the thief's compare-and-swap, are acq_rel). The stacks do the
 * same for what goes over the depot. The release of `opened` lets a walk that acquires it find the
 * records below ready; a record that comes back does so over the stack of closed ones.
 *
 * Controls, each of which must fail:
 *  TRUST_HINT      a thief believes the count that it read before its compare-and-swap
 *  TORN_STEAL      a thief takes by a load and a store
 *  FORGET_PUBLIC   a thread's end leaves the public magazine where it is
 *  TORN_EXIT       a thread's end reads the public word and clears it, in two steps
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
#define QUOTA 1
#endif

#define NONE 0 /* NULL: magazines and slots are numbered from 1, up to 6 */
#define BIT(number) (1 << (number))
#define HAS(set, number) (((set) & BIT(number)) != 0)
#define WITHOUT(set, number) ((set) & ~BIT(number))

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
byte loose; /* sets of slots: on the bucket's stacks, and with the program */
byte live;

byte held; /* the set of magazines in somebody's hand; private ones are */

hidden byte before, number, place, found; /* used inside of a step only: no part of a state */

#define MINE public_magazine[mine]
#define COUNT(number) magazine[number].count
#define SLOT(number, place) magazine[number].slot[place]

inline hold(number)
{
    assert(!HAS(held, number)); /* else it is in two hands */
    held = held | BIT(number)
}

/* One of a set that is not empty. */
inline choose(set, number)
{
    if
    :: HAS(set, 1) -> number = 1
    :: HAS(set, 2) -> number = 2
    :: HAS(set, 3) -> number = 3
    :: HAS(set, 4) -> number = 4
    :: HAS(set, 5) -> number = 5
    :: HAS(set, 6) -> number = 6
    fi
}

/* One of several that nothing tells apart: trying one of them tries all. */
inline choose_any(set, number)
{
    number = 1;
    do
    :: !HAS(set, number) -> number++
    :: else -> break
    od
}

/* What follows, down to the next comment of this kind, is used inside of atomic steps. */

/* Takes the slot on top, which lies below `above`, out of a magazine that the thread holds, to the program. */
inline hand_out(number, above)
{
    above--;
    slot = SLOT(number, above);
    SLOT(number, above) = NONE;
    assert(slot != NONE && !HAS(live, slot)); /* else above the count, or handed out twice */
    live = live | BIT(slot);
    slot = NONE;
    taken = true
}

inline cache_push()
{
    SLOT(private, top) = slot;
    top++;
    slot = NONE
}

inline cache_load(number)
{
    assert(private == NONE && COUNT(number) <= quota);
    private = number;
    top = COUNT(number);
    number = NONE
}

inline cache_unload(number)
{
    number = private;
    if
    :: number != NONE -> COUNT(number) = top
    :: else
    fi;
    private = NONE;
    top = 0
}

inline cache_exchange(number)
{
    before = public_magazine[mine];
    public_magazine[mine] = number; /* site: public_exchange */
    held = WITHOUT(held, number);
    if
    :: before != NONE -> hold(before)
    :: else
    fi;
    number = before;
    before = NONE
}

/* What follows is a step, or several. */

inline depot_give(number)
{
    atomic {
        if
        :: number == NONE
        :: number != NONE && COUNT(number) > 0 -> depot_full = depot_full | BIT(number)
        :: number != NONE && COUNT(number) == 0 -> depot_empty = depot_empty | BIT(number)
        fi;
        held = WITHOUT(held, number);
        number = NONE
    }
}

inline depot_take_full(number)
{
    atomic {
        if
        :: depot_full != 0 ->
            choose(depot_full, number);
            depot_full = WITHOUT(depot_full, number);
            hold(number);
#ifdef TRUST_HINT
            hint = COUNT(number)
#endif
        :: else
        fi
    }
}

inline depot_take_empty(number)
{
    atomic {
        if
        :: depot_empty != 0 ->
            choose(depot_empty, number);
            depot_empty = WITHOUT(depot_empty, number);
            hold(number)
        :: else
        fi
    }
}

/* cache_steal, after its look: the magazine is in `got`, or given to the depot if it is empty. */
inline steal()
{
#ifdef TRUST_HINT
    hint = COUNT(seen);
#endif
    atomic {
        if
#ifdef TORN_STEAL
        :: true ->
#else
        :: public_magazine[victim] == seen ->
#endif
            public_magazine[victim] = NONE; /* site: public_steal */
            hold(seen);
#ifdef TRUST_HINT
            COUNT(seen) = hint;
#endif
            if
            :: COUNT(seen) > 0 -> got = seen; seen = NONE
            :: else
            fi
        :: seen = NONE
        fi
    };
    if
    :: seen != NONE -> depot_give(seen)
    :: else
    fi
}

/* Another thread's public magazine in `got`, or none. */
inline cache_walk()
{
    do
    :: got == NONE ->
        atomic {
            if
            :: mine != 0 && opened > 0 -> victim = 0 /* site: walk_end */
            :: mine != 1 && opened > 1 -> victim = 1
            :: mine != 2 && opened > 2 -> victim = 2
            :: opened < 2 -> break
            fi;
            seen = public_magazine[victim] /* site: public_look */
        };
        if
        :: seen != NONE -> steal()
        :: else
        fi;
        victim = 0
    :: break
    od
}

inline cache_find_full()
{
    cache_walk();
    if
    :: got == NONE -> depot_take_full(got)
    :: else
    fi
}

/* Moves the slots on top, as many as the quota, to an empty magazine. */
inline cache_move(from, to)
{
    COUNT(from) = COUNT(from) - quota;
    do
    :: COUNT(to) < quota ->
        SLOT(to, COUNT(to)) = SLOT(from, COUNT(from) + COUNT(to));
        SLOT(from, COUNT(from) + COUNT(to)) = NONE;
        COUNT(to)++
    :: else -> break
    od
}

/* Uses what was found: for the empty `own` if the quota allows, else for the top of it. */
inline cache_fetch()
{
    atomic {
        if
        :: COUNT(got) <= quota ->
            depot_give(own);
            cache_load(got);
            hand_out(private, top)
        :: else
        fi
    };
    if
    :: got != NONE ->
        if
        :: own == NONE -> depot_take_empty(own)
        :: else
        fi;
        atomic {
            if
            :: own != NONE -> cache_move(got, own); cache_load(own); hand_out(private, top)
            :: else
            fi;
            depot_give(got)
        }
    :: else
    fi
}

/* cache_gather, or cache_carve: the magazine gets some of the loose slots. */
inline cache_gather()
{
    if
    :: own == NONE -> depot_take_empty(own)
    :: true
    fi;
    if
    :: own != NONE ->
        atomic {
            do
            :: COUNT(own) < quota && loose != 0 ->
                choose_any(loose, slot);
                loose = WITHOUT(loose, slot);
                SLOT(own, COUNT(own)) = slot;
                COUNT(own)++
            :: break
            od;
            slot = NONE;
            cache_load(own);
            if
            :: top > 0 -> hand_out(private, top)
            :: else
            fi
        }
    :: else
    fi
}

inline cache_refill()
{
    atomic {
        cache_unload(own);
        cache_exchange(own);
        if
        :: own != NONE && COUNT(own) > 0 -> cache_load(own); hand_out(private, top)
        :: else
        fi
    };
    if
    :: !taken ->
        cache_find_full();
        if
        :: got != NONE -> cache_fetch()
        :: else
        fi
    :: else
    fi
}

/* Without a quota: one slot of somebody's magazine; the rest goes to the depot. */
inline cache_beg()
{
    cache_find_full();
    if
    :: got != NONE -> atomic { hand_out(got, COUNT(got)); depot_give(got) }
    :: else
    fi
}

inline take_loose()
{
    atomic {
        if
        :: loose != 0 ->
            choose_any(loose, slot);
            loose = WITHOUT(loose, slot);
            live = live | BIT(slot);
            slot = NONE
        :: else
        fi
    }
}

inline take()
{
    if
    :: top > 0 -> atomic { hand_out(private, top) }
    :: top == 0 && quota > 0 ->
        cache_refill();
        if
        :: !taken -> cache_gather()
        :: else
        fi
    :: top == 0 && quota == 0 ->
        if
        :: cache_beg()
        :: true
        fi
    fi;
    if
    :: !taken -> take_loose()
    :: else
    fi;
    taken = false
}

inline cache_spill()
{
    atomic {
        cache_unload(own);
        cache_exchange(own);
        if
        :: own != NONE && COUNT(own) < quota -> cache_load(own); cache_push()
        :: else
        fi
    };
    if
    :: slot != NONE ->
        if
        :: own != NONE -> depot_give(own)
        :: else
        fi;
        atomic {
            depot_take_empty(own);
            if
            :: own != NONE -> cache_load(own); cache_push()
            :: else
            fi
        }
    :: else
    fi
}

/* Gives a slot of the program's, whoever took it. */
inline give()
{
    atomic {
        live != 0 -> choose_any(live, slot);
        live = WITHOUT(live, slot);
        if
        :: private != NONE && top < quota -> cache_push()
        :: else
        fi
    };
    if
    :: slot != NONE && quota > 0 -> cache_spill()
    :: else
    fi;
    if
    :: slot != NONE -> atomic { loose = loose | BIT(slot); slot = NONE }
    :: else
    fi
}

/* The lowest slots of a magazine go loose, down to the quota. */
inline cache_cut(number)
{
    do
    :: COUNT(number) > quota ->
        loose = loose | BIT(SLOT(number, 0));
        slot = 0;
        do
        :: slot + 1 < COUNT(number) -> SLOT(number, slot) = SLOT(number, slot + 1); slot++
        :: else -> break
        od;
        COUNT(number)--;
        SLOT(number, COUNT(number)) = NONE;
        slot = NONE
    :: else -> break
    od
}

inline cache_shrink(quota_wanted)
{
    atomic {
        cache_unload(own);
#ifdef FORGET_PUBLIC
        if
        :: quota_wanted > 0 -> cache_exchange(got)
        :: else
        fi;
#elif defined TORN_EXIT
        got = public_magazine[mine]
    };
    atomic {
        public_magazine[mine] = NONE;
        if
        :: got != NONE -> hold(got)
        :: else
        fi;
#else
        cache_exchange(got);
#endif
        quota = quota_wanted
    };
    if
    :: quota == 0 ->
        if
        :: own != NONE -> depot_give(own)
        :: else
        fi;
        if
        :: got != NONE -> depot_give(got)
        :: else
        fi
    :: else ->
        atomic {
            if
            :: own != NONE -> cache_cut(own); cache_load(own)
            :: else
            fi
        };
        if
        :: got != NONE ->
            atomic { cache_cut(got) };
            atomic { cache_exchange(got); assert(got == NONE) } /* nobody else puts one there */
        :: else
        fi
    fi
}

/* Training: less, or more, or as it was. */
inline cache_set_quota()
{
    if
    :: quota > 0 -> cache_shrink(quota - 1)
    :: quota > 1 -> cache_shrink(0)
    :: quota < QUOTA -> quota++
    fi
}

/* A record that a thread left behind, else a new one. */
inline cache_find_record()
{
    atomic {
        if
        :: HAS(closed, 0) -> mine = 0
        :: HAS(closed, 1) -> mine = 1
        :: HAS(closed, 2) -> mine = 2
        :: closed == 0 -> mine = THREADS
        fi;
        closed = WITHOUT(closed, mine)
    };
    if
    :: mine == THREADS ->
        mine = opened; /* site: record_look */
        do
        :: atomic {
                if
                :: opened == mine -> opened = mine + 1; break /* site: record_open */
                :: mine = opened
                fi
            }
        od
    :: else
    fi;
    assert(mine < THREADS);
    assert(public_magazine[mine] == NONE)
}

/* A slot was found at rest. */
inline find(number)
{
    assert(1 <= number && number <= SLOTS && !HAS(found, number));
    found = found | BIT(number)
}

/* All records are closed, so that no thread has anything. */
inline check_rest()
{
    assert(held == 0);
    found = 0;
    number = 0;
    do
    :: number < opened -> assert(public_magazine[number] == NONE); number++
    :: else -> break
    od;
    number = 1;
    do
    :: number <= MAGAZINES ->
        assert(HAS(depot_full, number) != HAS(depot_empty, number));
        assert(HAS(depot_full, number) == (COUNT(number) > 0));
        place = 0;
        do
        :: place < COUNT(number) -> find(SLOT(number, place)); place++
        :: else -> break
        od;
        number++
    :: else -> break
    od;
    number = 1;
    do
    :: number <= SLOTS ->
        assert(!HAS(live, number) || !HAS(loose, number));
        if
        :: HAS(live | loose, number) -> find(number)
        :: else
        fi;
        number++
    :: else -> break
    od;
    assert(found == BIT(SLOTS + 1) - BIT(1)) /* else some were lost */
}

inline cache_close()
{
    cache_shrink(0);
    atomic {
        assert(private == NONE && top == 0 && quota == 0);
        closed = closed | BIT(mine);
        mine = 0;
        if
        :: closed == BIT(opened) - 1 -> check_rest()
        :: else
        fi
    }
}

proctype thread()
{
    byte mine, private, top, quota, own, got, victim, seen, slot;
    bool taken;
#ifdef TRUST_HINT
    byte hint;
#endif

end:
    do
    :: cache_find_record();
        do
        :: take()
        :: give()
        :: cache_set_quota()
        :: break
        od;
        cache_close()
    od
}

init
{
    atomic {
        depot_empty = BIT(MAGAZINES + 1) - BIT(1);
        loose = BIT(SLOTS + 1) - BIT(1);
        do
        :: number < THREADS -> run thread(); number++
        :: else -> break
        od
    }
}
