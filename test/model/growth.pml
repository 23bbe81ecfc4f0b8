/* A spin model of what is used for the first time: slots, magazines and records, and their tables. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What is modelled: lane_carve_run, magazine_open and the second half of cache_find_record, which all
 * take the next numbers by moving one counter, and src/table.c, which makes the tables behind those
 * numbers usable first. Each access to a word that threads share is one step, and so is a call of
 * the kernel; spin tries every order of steps. A comment "site" names the access of the code that
 * the step below it stands for; scripts/check-model holds the two to each other, orders included. A
 * thread takes a run of up to WANTED numbers, again and again, until none is left or the kernel
 * refuses memory; the kernel refuses when it likes.
 *
 * What must hold: no number is taken twice, and none is skipped; whoever has a number may use the
 * tables below it; what a table says is usable is usable; a call that fails has taken nothing.
 *
 * What is left out, and why that is sound:
 *  - Numbers. THREADS, NUMBERS and WANTED are small; a unit of a table is one number's.
 *  - A call reaches two or three tables one after the other; no step touches two of them, and all
 *    do as the one here.
 *  - Slots that nobody has carved go to the tables' readers in no other way than by their numbers.
 *
 * Spin knows sequential consistency only. Beyond it: numbers are taken by read-modify-write, which
 * is alone with its word in any order, so relaxed will do; what the kernel permits it permits to
 * all threads before the call returns, and `ready` is published by release and read by acquire, so
 * that nobody uses a page before that. `opened` of the records is published by release too: the
 * walk of exchange.pml goes by it.
 *
 * Controls, each of which must fail:
 *  TORN_TAKE     a thread takes a number by a load and a store
 *  EARLY_READY   a table is published before the kernel has permitted its pages
 *  LATE_TABLE    the number is taken before the table reaches it
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

byte permitted; /* the truth: a bit for each number whose part of the table the kernel permits */
byte somebodys; /* and one for each number that a thread has got */
byte ended;

/* Makes sure that the table says `goal` at least. */
inline table_publish()
{
    atomic {
        /* site table_publish: load ready relaxed */
        seen = ready
    };
    do
    :: atomic {
            seen < goal ->
            if
            :: ready == seen ->
                /* site table_publish: compare_exchange_weak ready release relaxed */
                ready = goal;
                seen = 0;
                goal = 0;
                break
            :: seen = ready
            fi
        }
    :: atomic { seen >= goal -> seen = 0; goal = 0; break }
    od
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
            /* site table_grow: load ready acquire */
            start = ready;
            goal = end;
            do
            :: goal < NUMBERS -> goal++
            :: break
            od
        };
        if
        :: start < end ->
#ifdef EARLY_READY
            ready = (goal > ready -> goal : ready);
#endif
            if
            :: atomic {
                    permitted = permitted | BITS(start, goal);
                    reached = true;
                    start = 0
                };
                table_publish()
            :: true /* refused */
            fi
        :: else -> reached = true
        fi
    :: else
    fi
}

inline use_numbers()
{
    assert((somebodys & BITS(number, number + count)) == 0); /* else taken twice */
    assert((BITS(number, number + count) & ~permitted) == 0); /* else a fault */
    somebodys = somebodys | BITS(number, number + count)
}

/* A run of numbers, or none. lane_carve_run wants several, and one where it can't have them. */
inline take_numbers()
{
    atomic {
        /* site lane_carve_run: load carved relaxed */
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
                /* site lane_carve_run: compare_exchange_weak carved relaxed relaxed */
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
    byte number, count, start, goal, seen;
    bool reached;

    do
    :: take_numbers();
        atomic { /* what is over makes no state of its own */
            number = 0;
            count = 0;
            start = 0;
            goal = 0;
            seen = 0;
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
