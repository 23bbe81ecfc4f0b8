/* A spin model of the caches' exchange: private and public magazines, thieves, and threads' ends. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What is modelled: src/cache*.c and src/depot.c, for one bucket. A thread opens a record, takes and
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
 * generation, its empty ones, the loose slots (of either generation, purged, and never carved) and
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
 *    slots are loose is asked before one is taken; here either way may be gone. Training is any
 *    change of the quota, at any time between two calls; the budget has budget.pml.
 *  - A compare-and-swap may fail without a cause, which the code's, a strong one, does not.
 *  - What lies in a magazine above its count is cleared, where the code leaves it: who reads it is
 *    caught. The order of slots in a magazine is kept.
 *  - The purge empties a magazine of the depot's as a thread without a quota does, slot by slot.
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
 *  FORGET_FRESH   a thread's end leaves what remains of its run
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
byte loose; /* sets of slots: on the bucket's stacks or uncarved, and with the program */
byte live;

byte held; /* the set of magazines in somebody's hand; private ones are */

byte before, number, place, found; /* used inside of a step only, and zero after it */

/* A malloc that its own two magazines can't serve. */
#define WANTS (missed || (has_record && quota == 0))

#define MINE public_magazine[mine]
#define THEIRS public_magazine[victim]
#define COUNT(number) magazine[number].count
#define SLOT(number, place) magazine[number].slot[place]

/* --- what is done inside of steps -------------------------------------------------------- */

inline hold(number)
{
    assert(!HAS(held, number)); /* else it is in two hands */
    held = WITH(held, number)
}

/* One of a set, or none. */
inline choose(set, number)
{
    do
    :: HAS(set, number) -> break
    :: (set >> (number + 1)) != 0 -> number++
    :: number = NONE; break
    od
}

/* One of a set whose members nothing tells apart: trying one tries all. */
inline choose_any(set, number)
{
    do
    :: !HAS(set, number) -> number++
    :: else -> break
    od
}

/* Takes the slot on top, which lies below `above`, out of a magazine of the thread's: malloc returns it. */
inline hand_out(number, above)
{
    d_step {
        above--;
        slot = SLOT(number, above);
        SLOT(number, above) = NONE;
        assert(slot != NONE && !HAS(live, slot)); /* else above the count, or handed out twice */
        live = WITH(live, slot);
        slot = NONE
    }
}

inline cache_push()
{
    d_step {
        /* site cache_push: load top relaxed */
        SLOT(private, top) = slot;
        /* site cache_push: store top relaxed */
        top++;
        slot = NONE
    }
}

inline cache_pop()
{
    /* site cache_pop: load top relaxed */
    /* site cache_pop: store top relaxed */
    hand_out(private, top)
}

inline cache_load(number)
{
    d_step {
        /* site cache_quota: load quota relaxed */
        /* site magazine_count: load count relaxed */
        assert(private == NONE && COUNT(number) <= quota);
        private = number;
        /* site cache_load: store top relaxed */
        top = COUNT(number);
        COUNT(number) = 0; /* behind the truth from here on: one value says as little as another */
        number = NONE
    }
}

inline cache_unload(number)
{
    d_step {
        number = private;
        if
        :: number != NONE ->
            /* site cache_unload: load top relaxed */
            /* site magazine_set_count: store count relaxed */
            COUNT(number) = top
        :: else
        fi;
        private = NONE;
        /* site cache_unload: store top relaxed */
        top = 0
    }
}

inline cache_exchange(number)
{
    d_step {
        /* site cache_exchange: exchange public_magazine acq_rel */
        before = MINE;
        MINE = number;
        held = WITHOUT(held, number);
        if
        :: before != NONE -> hold(before)
        :: else
        fi;
        number = before;
        before = NONE
    }
}

inline depot_give(number)
{
    d_step {
        if
        :: number == NONE
        :: number != NONE && COUNT(number) > 0 ->
            /* site depot_put: magazine_push full/empty */
            /* site magazine_push: stack_push stack */
            depot_full = WITH(depot_full, number)
        :: number != NONE && COUNT(number) == 0 -> depot_empty = WITH(depot_empty, number)
        fi;
        held = WITHOUT(held, number);
        number = NONE
    }
}

/* Leaves alone what is in hand already. */
inline take_magazine(set, number)
{
    if
    :: number == NONE ->
        choose(set, number);
        if
        :: number != NONE -> set = WITHOUT(set, number); hold(number)
        :: else
        fi
    :: else
    fi
}

inline depot_take_full(number)
{
    /* site depot_take_full: magazine_pop full */
    /* site depot_take_full: magazine_pop full #2 */
    /* site depot_take_old: magazine_pop full */
    /* site magazine_pop: stack_pop stack */
    take_magazine(depot_full, number)
}

inline depot_take_empty(number)
{
    /* site depot_take_empty: magazine_pop empty */
    take_magazine(depot_empty, number)
}

/* Moves the slots on top, as many as the quota, to an empty magazine. */
inline cache_move(from, to)
{
    d_step {
        COUNT(from) = COUNT(from) - quota;
        do
        :: COUNT(to) < quota ->
            SLOT(to, COUNT(to)) = SLOT(from, COUNT(from) + COUNT(to));
            SLOT(from, COUNT(from) + COUNT(to)) = NONE;
            COUNT(to)++
        :: else -> break
        od
    }
}

/* The lowest slots of a magazine go loose, down to the quota. */
inline cache_cut(number)
{
    d_step {
        do
        :: COUNT(number) > quota ->
            /* site slots_give: stack_push loose */
            loose = WITH(loose, SLOT(number, 0));
            COUNT(number)--;
            do
            :: place < COUNT(number) -> SLOT(number, place) = SLOT(number, place + 1); place++
            :: else -> break
            od;
            SLOT(number, place) = NONE;
            place = 0
        :: else -> break
        od
    }
}

/* The magazine gets some of the loose slots. */
inline cache_gather()
{
    do
    :: COUNT(own) < quota && loose != 0 ->
        d_step {
            /* site slots_take_loose: stack_pop loose */
            /* site slots_take_loose: stack_pop loose #2 */
            /* site slots_take_old: stack_pop loose */
            choose_any(loose, slot);
            loose = WITHOUT(loose, slot);
            SLOT(own, COUNT(own)) = slot;
            COUNT(own)++;
            slot = NONE
        }
    :: break
    od;
    cache_load(own);
    if
    :: top > 0 -> cache_pop()
    :: else
    fi
}

/* A slot of the thread's run of fresh ones; and where that has none, a new run. */
inline cache_carve()
{
    do
    :: fresh != 0 -> break
    :: fresh == 0 && loose != 0 ->
        /* site cache_fresh: load fresh_left relaxed */
        /* site cache_carve: load fresh relaxed */
        do
        :: loose != 0 ->
            d_step {
                choose_any(loose, slot);
                loose = WITHOUT(loose, slot);
                fresh = WITH(fresh, slot);
                slot = NONE
            }
        :: fresh != 0 -> break
        od
    :: fresh == 0 -> break
    od;
    if
    :: fresh != 0 ->
        d_step {
            choose_any(fresh, slot);
            /* site cache_set_fresh: store fresh relaxed */
            /* site cache_set_fresh: store fresh_left relaxed */
            fresh = WITHOUT(fresh, slot);
            live = WITH(live, slot);
            slot = NONE
        }
    :: else
    fi
}

/* The last way to a slot. If there is none, malloc fails and nothing has changed. */
inline slots_take()
{
    if
    :: loose != 0 ->
        d_step {
            /* site slots_take: stack_pop purged */
            choose_any(loose, slot);
            loose = WITHOUT(loose, slot);
            live = WITH(live, slot);
            slot = NONE
        }
    :: true
    fi
}

/* At rest, when all records are closed: nobody has anything, and all is in its place. */
inline check_rest()
{
    d_step {
        assert(held == 0 && (loose & live) == 0);
        assert((depot_full ^ depot_empty) == FROM_ONE_TO(MAGAZINES));
        do
        :: number < THREADS -> assert(public_magazine[number] == NONE); number++
        :: else -> break
        od;
        found = loose | live;
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

/* --- the steps --------------------------------------------------------------------------- */

/* Looks at the public magazine of somebody else, or of anybody. */
inline look(anybody)
{
    do
    :: victim + 1 < opened -> victim++
    :: victim != mine || anybody -> break
    od;
    /* site cache_steal: load public_magazine acquire */
    seen = THEIRS;
#ifdef TRUST_HINT
    hint = COUNT(seen);
#endif
    victim = (seen != NONE -> victim : 0)
}

/* Takes the magazine that was seen; one that is empty after all goes to the depot. */
inline cache_steal()
{
    if
#ifdef THIEF_PUTS
    :: true ->
        seen = THEIRS;
        THEIRS = own;
        held = WITHOUT(held, own);
        own = NONE;
#else
#ifdef TORN_STEAL
    :: true ->
#else
    :: THEIRS == seen ->
#endif
        /* site cache_steal: compare_exchange_strong public_magazine acq_rel relaxed */
        THEIRS = NONE;
#endif
        if
        :: seen != NONE -> hold(seen)
        :: else
        fi;
#ifdef TRUST_HINT
        COUNT(seen) = hint;
        hint = 0;
#endif
        if
        :: COUNT(seen) > 0 -> got = seen
        :: else -> depot_give(seen)
        fi
    :: true
    fi;
    seen = NONE;
    victim = 0
}

/* The empty private magazine for the public one; without success it, or none, remains in `own`. */
inline cache_refill()
{
    cache_unload(own);
    cache_exchange(own);
    if
    :: own != NONE && COUNT(own) > 0 -> cache_load(own); cache_pop()
    :: else -> missed = true
    fi
}

/* What was found, for the empty magazine; or some of it, and the rest goes to the depot. */
inline cache_fetch()
{
    if
    :: COUNT(got) <= quota -> depot_give(own); cache_load(got); cache_pop(); missed = false
    :: else ->
        depot_take_empty(own);
        if
        :: own != NONE -> cache_move(got, own); cache_load(own); cache_pop(); missed = false
        :: else
        fi;
        depot_give(got)
    fi
}

/* Without a quota: one slot of what was found. */
inline cache_beg()
{
    hand_out(got, COUNT(got));
    depot_give(got)
}

/* malloc, which ends when a slot was handed out or there is none. */
inline take()
{
    do
    :: atomic { top > 0 -> cache_pop(); break }
    :: atomic {
            top == 0 && quota > 0 && !missed ->
            cache_refill();
            if
            :: !missed -> break
            :: else
            fi
        }
    :: atomic {
            WANTS && got == NONE && seen == NONE && opened > 1 ->
            /* site cache_walk: load opened acquire */
            look(false)
        }
    :: atomic { seen != NONE -> cache_steal() }
    :: atomic {
            WANTS && seen == NONE ->
            depot_take_full(got);
            if
            :: got != NONE && quota > 0 ->
                cache_fetch();
                if
                :: !missed -> break
                :: else
                fi
            :: got != NONE && quota == 0 -> cache_beg(); break
            :: got == NONE && quota > 0 ->
                depot_take_empty(own);
                if
                :: own != NONE -> cache_gather()
                :: true ->
                    cache_carve();
                    if
                    :: own != NONE -> cache_load(own)
                    :: else
                    fi
                fi;
                /* For who has got one: a slot more is with the program, as if by another malloc. */
                slots_take();
                missed = false;
                break
            :: got == NONE && quota == 0 -> slots_take(); break
            fi
        }
    od
}

/* free, of a slot of the program's, whoever took it. */
inline give()
{
    do
    :: atomic {
            has_record && slot == NONE && live != 0 ->
            choose_any(live, slot);
            live = WITHOUT(live, slot);
            if
            :: private != NONE && top < quota -> cache_push(); break
            :: quota == 0 -> loose = WITH(loose, slot); slot = NONE; break
            :: else ->
                cache_unload(own); /* cache_spill */
                cache_exchange(own);
                if
                :: own != NONE && COUNT(own) < quota -> cache_load(own); cache_push(); break
                :: else -> depot_give(own)
                fi
            fi
        }
    :: atomic {
            slot != NONE ->
            depot_take_empty(own);
            if
            :: own != NONE -> cache_load(own); cache_push()
            :: else -> loose = WITH(loose, slot); slot = NONE
            fi;
            break
        }
    od
}

/* On a tick: a public magazine that lies there unused goes to the depot, whosever it is. */
inline cache_collect_idle()
{
    do
    :: atomic {
            has_record && seen == NONE ->
            /* site cache_count: load opened acquire */
            /* site cache_has_public: load public_magazine relaxed */
            look(true);
            if
            :: seen == NONE -> break
            :: else
            fi
        }
    :: atomic { seen != NONE -> cache_steal(); depot_give(got); break }
    od
}

inline cache_open()
{
    /* site cache_find_record: stack_pop closed */
    opened = (opened > mine -> opened : mine + 1);
    closed = WITHOUT(closed, mine);
    has_record = true;
    assert(MINE == NONE)
}

inline cache_close()
{
#ifndef FORGET_FRESH
    /* site cache_give_fresh: load fresh relaxed */
    /* site slots_give_purged: stack_push purged */
    loose = loose | fresh;
    fresh = 0;
#endif
    assert(private == NONE && top == 0 && own == NONE && got == NONE);
    /* site cache_close: stack_push closed */
    closed = WITH(closed, mine);
    has_record = false;
    if
    :: closed == BIT(opened) - 1 -> check_rest()
    :: else
    fi
}

/* What the two magazines hold beyond the new quota goes loose; without a quota they go to the depot. */
inline cache_shrink()
{
    if
    :: quota == 0 ->
        depot_give(own);
        depot_give(got)
    :: else ->
        if
        :: own != NONE -> cache_cut(own); cache_load(own)
        :: else
        fi;
        if
        :: got != NONE -> cache_cut(got)
        :: else
        fi
    fi
}

/* Training: a quota is raised, or lowered, to nothing perhaps; and so it is at a thread's end. */
inline cache_set_quota()
{
    do
    :: atomic {
            has_record && quota < QUOTA && got == NONE ->
            /* site cache_set_quota: store quota relaxed */
            quota++;
            break
        }
    :: atomic {
            has_record && got == NONE ->
            cache_unload(own);
#ifdef TORN_SHRINK
            got = MINE
        };
        atomic {
            MINE = NONE;
            if
            :: got != NONE -> hold(got)
            :: else
            fi;
#elif !defined FORGET_PUBLIC
            cache_exchange(got);
#endif
            if
            :: quota > 0 -> quota--
            :: true -> quota = 0
            fi;
            /* site cache_shrink: store quota relaxed */
            cache_shrink();
            if
            :: quota == 0 -> cache_close(); break
            :: got == NONE -> break
            :: got != NONE
            fi
        }
    :: atomic {
            got != NONE ->
            cache_exchange(got);
            assert(got == NONE); /* nobody else puts one there */
            break
        }
    od
}

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
        loose = FROM_ONE_TO(SLOTS);
        do
        :: number < THREADS -> run thread(number); number++
        :: else -> break
        od;
        number = 0
    }
}
