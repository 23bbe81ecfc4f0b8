/* A spin model of what is used for the first time: slots, magazines and records, and their tables. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What is modelled: region_carve_front, magazine_open and the second half of cache_find_record, which all
 * take the next numbers by moving one counter, and src/memory/table.c, which makes the tables behind those
 * numbers usable first. Each access to a word that threads share is one step, and so is a call of
 * the kernel; spin tries every order of steps. A comment "site" names the access of the code that
 * the step below it stands for; scripts/check-model holds the two to each other, orders included. A
 * thread takes a run of up to WANTED numbers, again and again, until none is left or the kernel
 * refuses memory; the kernel refuses when it likes. It also refuses who wants to extend a table from
 * where another thread has extended it already: that thread is waited for.
 *
 * What must hold: no number is taken twice, and none is skipped; whoever has a number may use the
 * tables below it; what a table says is usable is usable; a call that fails has taken nothing; and
 * nobody fails because another thread was faster.
 *
 * What is left out, and why that is sound:
 *  - Numbers. THREADS, NUMBERS and WANTED are small; a unit of a table is one number's.
 *  - A call reaches two to four tables one after the other; no step touches two of them, and all
 *    do as the one here.
 *  - Slots that nobody has carved go to the tables' readers in no other way than by their numbers.
 *  - Strangers' mappings in a table's way, and the flag that tells of them: who finds one fails, and
 *    that is right. Nor does a wait end by itself, as the code's does after two seconds.
 *
 * Spin knows sequential consistency only. Beyond it: numbers are taken by read-modify-write, which
 * is alone with its word in any order, so relaxed will do; what the kernel permits it permits to
 * all threads before the call returns, and `ready` is published by release and read by acquire, so
 * that nobody uses a page before that; a store will do, since the kernel lets nobody else extend the
 * table meanwhile. `growing` falls by release after `ready` was published, and who reads by acquire
 * that it is zero reads `ready` afterwards: so he sees what was published; that it rose before the
 * kernel's answer he knows from the kernel, which does one after the other.
 * `opened` of the records is published by release too: the walk of exchange.pml goes by it.
 *
 * Controls, each of which must fail:
 *  TORN_TAKE     a thread takes a number by a load and a store
 *  EARLY_READY   a table is published before the kernel has permitted its pages
 *  LATE_TABLE    the number is taken before the table reaches it
 *  NO_AWAIT      a thread that was refused does not wait for the other one's word
 *  EARLY_LEAVE   a thread is said to be through before it has published
 */

#ifndef THREADS
#define THREADS 2
#endif
#ifndef NUMBERS
#define NUMBERS 4
#endif
#ifndef WANTED
#define WANTED 2
#endif

/* A bit for each number from one up to, but not including, another. */
#define BITS(from, to) ((1 << (to)) - (1 << (from)))

byte taken; /* the counter: the numbers below it are somebody's */
byte ready; /* what the table says of itself */

byte growing; /* threads that are at the kernel, or have yet to say what it answered */

byte mapped; /* the truth: the kernel's mapping ends there, and is extended from there alone; */
byte permitted; /* a bit for each number whose part of the table the kernel permits */
byte somebodys; /* and one for each number that a thread has got */
byte ended;

inline leave()
{
    atomic {
        /* site table_leave: fetch_sub growing release */
        growing--
    }
}

/* The kernel extends the mapping from its end, if it likes; `extended` tells. */
inline table_extend()
{
    atomic {
        /* site table_enter: fetch_add growing acquire */
        growing++
    };
#ifdef EARLY_READY
    ready = (goal > ready -> goal : ready);
#endif
    if
    :: atomic {
            mapped == start ->
            mapped = goal;
            permitted = permitted | BITS(start, goal);
            extended = true
        }
    :: true /* refused */
    fi;
#ifdef EARLY_LEAVE
    leave();
#endif
    if
    :: extended ->
        atomic {
            assert(ready == start); /* else the table might shrink */
            /* site table_publish: store ready release */
            ready = goal
        }
    :: else
    fi;
#ifndef EARLY_LEAVE
    leave()
#endif
}

/* After a refusal: `changed` tells if the table reaches further by now. If something is mapped where
 * it was to grow, another thread has been there: then it must. */
inline table_await()
{
    atomic {
        /* site table_ready: load ready acquire */
        changed = (ready != start)
    };
    if
    :: !changed ->
        there = (mapped > start);
        do
        :: atomic {
                there && !changed ->
                /* site table_is_awaited: load growing acquire */
                awaited = (growing > 0)
            };
#ifdef NO_AWAIT
            awaited = false;
#endif
            atomic {
                /* site table_ready: load ready acquire */
                changed = (ready != start)
            };
            if
            :: !changed && awaited
            :: else -> break
            fi
        :: atomic {
                !there ->
                /* site table_ready: load ready acquire */
                changed = (ready != start);
                break
            }
        od;
        assert(!there || changed); /* else one fails because another was faster */
        there = false;
        awaited = false
    :: else
    fi
}

/*
 * table_reach and what it calls; `reached` tells. The kernel is asked for more than is needed, and
 * if it refuses, for that alone: a call that it refused has done nothing, so only one is made here.
 */
inline table_reach(end)
{
    atomic {
        /* site table_reach: load ready acquire */
        reached = (end <= ready)
    };
    if
    :: !reached ->
        atomic {
            goal = end;
            do
            :: goal < NUMBERS -> goal++
            :: break
            od
        };
        do
        :: atomic {
                /* site table_ready: load ready acquire */
                start = ready;
                reached = (goal <= start)
            };
            if
            :: reached -> break
            :: else
            fi;
            table_extend();
            if
            :: extended -> reached = true; break
            :: else
            fi;
            table_await();
            if
            :: !changed -> break
            :: else -> changed = false
            fi
        od;
        atomic { /* what is over makes no state of its own */
            extended = false;
            changed = false;
            start = 0;
            goal = 0
        }
    :: else
    fi
}

inline use_numbers()
{
    assert((somebodys & BITS(number, number + count)) == 0); /* else taken twice */
    assert((BITS(number, number + count) & ~permitted) == 0); /* else a fault */
    somebodys = somebodys | BITS(number, number + count)
}

/* A run of numbers, or none. region_carve_front wants several, and one where it can't have them. */
inline take_numbers()
{
    atomic {
        /* site region_carve_front: load front relaxed */
        /* site magazine_open: load opened relaxed */
        /* site cache_find_record: load opened relaxed */
        number = taken
    };
    do
    :: atomic { number == NUMBERS -> break }
    :: atomic {
            number < NUMBERS -> count = 1;
            do
            :: count < WANTED && number + count < NUMBERS -> count++
            :: break
            od
        };
#ifndef LATE_TABLE
        table_reach(number + count);
        if
        :: !reached -> break
        :: else
        fi;
#endif
        atomic {
            if
#ifdef TORN_TAKE
            :: true ->
#else
            :: taken == number ->
#endif
                /* site region_carve_front: compare_exchange_weak front relaxed relaxed */
                /* site magazine_open: compare_exchange_weak opened relaxed relaxed */
                /* site cache_find_record: compare_exchange_weak opened release relaxed */
                taken = number + count;
#ifndef LATE_TABLE
                use_numbers();
                break
#endif
            :: number = taken; count = 0
            fi
        };
#ifdef LATE_TABLE
        if
        :: count > 0 ->
            table_reach(number + count);
            if
            :: reached -> use_numbers()
            :: else
            fi;
            break
        :: else
        fi
#endif
    od
}

proctype thread()
{
    byte number, count, start, goal;
    bool reached, extended, changed, there, awaited;

    do
    :: take_numbers();
        atomic { /* what is over makes no state of its own */
            number = 0;
            count = 0;
            start = 0;
            goal = 0;
            reached = false
        }
    :: break
    od;
    ended++
}

init
{
    byte number;

    atomic {
        do
        :: number < THREADS -> run thread(); number++
        :: else -> break
        od;
        number = 0
    }
    atomic {
        ended == THREADS ->
        assert(somebodys == BITS(0, taken)); /* else some were skipped */
        assert((BITS(0, ready) & ~permitted) == 0)
    }
}
