/* A spin model of how slots, magazines and records get numbers that were never used before, and of how the tables that
 * have an entry for each such number become longer. */
/* SPDX-License-Identifier: BSD-2-Clause */

/* What is modelled: region_carve_front, magazine_open and the second half of cache_find_record, which all take the next
 * numbers by moving a counter, and src/memory/table.c, which first makes the entries with these numbers in the tables
 * usable. Each access to a word that threads share is one step, and so is a system call; spin tries every order of
 * steps. A comment "site" names the access in the code for which the step below it stands; scripts/check-model compares
 * the sites of the models and of the code, including memory orders. A thread takes up to WANTED numbers in a row, again
 * and again, until none is left or the kernel refuses memory, which it may do at any time. The kernel also refuses if
 * another thread has already extended the table, so that the end from which this thread wants to extend it is no longer
 * the end; this thread then waits for the other one.
 *
 * What must be true: no number is taken twice, and none is skipped; a thread that has a number may use the entries of
 * the tables up to it; memory that a table reports as usable is usable; a call that fails has taken nothing; and no
 * call fails because another thread was faster.
 *
 * What is left out, and why that is sound:
 *  - Numbers: THREADS, NUMBERS and WANTED are small, and one unit of a table belongs to each number.
 *  - Several tables: a call extends two to four tables one after the other. No step touches two of them, and all
 *    behave like the one here.
 *  - Slots that are not carved yet are known to readers of the tables only by their numbers.
 *  - Mappings of others that lie where a table would grow, and the flag that notes them: a call that meets such
 *    a mapping fails, which is right. Here a wait has no time limit, while the code's wait ends after two seconds.
 *
 * Spin knows sequential consistency only. Beyond that: numbers are taken by a read-modify-write of one word, for
 * which relaxed order is enough. When the kernel permits the use of pages, it permits it to all threads before the
 * system call returns, and `ready` is stored with release and loaded with acquire, so that no thread uses a page before
 * that. A plain store to `ready` is enough, because the kernel lets no other thread extend the table meanwhile.
 * `growing` is decremented with release after `ready` was published, so a thread that loads 0 with acquire and then
 * loads `ready` sees what was published. It knows from the kernel, which handles calls one after the other, that
 * `growing` was incremented before the kernel's answer. `opened` of the records is published with release too, because
 * the walk of exchange.pml depends on it.
 *
 * Controls, each of which must make spin find a fault:
 *  TORN_TAKE     a thread takes a number by a separate load and store
 *  EARLY_READY   a table is published before the kernel has permitted its pages
 *  LATE_TABLE    the number is taken before the table reaches it
 *  NO_AWAIT      a thread that was refused does not wait for the other one
 *  EARLY_LEAVE   a thread decrements `growing` before it has published */

#ifndef THREADS
#define THREADS 2
#endif
#ifndef NUMBERS
#define NUMBERS 4
#endif
#ifndef WANTED
#define WANTED 2
#endif

/* A bit for each number from `from` up to, but not including, `to`. */
#define BITS(from, to) ((1 << (to)) - (1 << (from)))

byte taken; /* the counter: all numbers below it were taken */
byte ready; /* the end of the part of the table that is reported as usable */

byte growing; /* how many threads are calling the kernel, or have not published its answer yet */

byte mapped; /* the end of the kernel's mapping; the mapping can be extended from there only */
byte permitted; /* one bit for each number, set if the table's entry with this number may be used */
byte somebodys; /* one bit for each number, set if a thread has taken the number */
byte ended;

inline leave()
{
    atomic {
        /* site table_leave: fetch_sub growing release */
        growing--
    }
}

/* Models the system call by which the kernel extends the mapping from its end, or refuses. Sets `extended` if the
 * kernel has extended the mapping. */
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
    :: true /* the kernel refuses */
    fi;
#ifdef EARLY_LEAVE
    leave();
#endif
    if
    :: extended ->
        atomic {
            assert(ready == start); /* otherwise the table could become shorter */
            /* site table_publish: store ready release */
            ready = goal
        }
    :: else
    fi;
#ifndef EARLY_LEAVE
    leave()
#endif
}

/* Waits after the kernel has refused. Sets `changed` if the table is longer afterwards. If a mapping lies where the
 * table was to grow, another thread has extended the table, and then `changed` must be true. */
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
        assert(!there || changed); /* otherwise the call would fail only because another thread was faster */
        there = false;
        awaited = false
    :: else
    fi
}

/*
 * Models table_reach and the functions that it calls. Sets `reached` if the table's usable part reaches to `end`. The
 * code first requests more from the kernel than is needed, and after a refusal only the bytes that are needed. A
 * refused call has no effect, so the model makes only one call.
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
        atomic { /* one step, because changes of local variables need no states of their own */
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
    assert((somebodys & BITS(number, number + count)) == 0); /* otherwise a number would be taken twice */
    assert((BITS(number, number + count) & ~permitted) == 0); /* otherwise an access to the table would fault */
    somebodys = somebodys | BITS(number, number + count)
}

/*
 * Takes several numbers in a row, or none. region_carve_front tries to take several, and takes one if several cannot be
 * had.
 */
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
        atomic { /* one step, because changes of local variables need no states of their own */
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
        assert(somebodys == BITS(0, taken)); /* otherwise numbers would be skipped */
        assert((BITS(0, ready) & ~permitted) == 0)
    }
}
