/* A spin model of the budget: quotas that are charged before they are raised, and returned after. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What is modelled: src/cache/budget.c and its use by cache_set_quota. Threads raise and lower their
 * quotas as often as they like, and have none at their ends. Each access to a word that threads
 * share is one step, and spin tries every order of steps. A comment "site" names the access of the
 * code that the step below it stands for; scripts/check-model holds the two to each other, orders
 * included.
 *
 * What must hold at every step: all quotas together are within what was charged, and that within the
 * limit. When all threads have ended, nothing is charged.
 *
 * What is left out, and why that is sound: THREADS and LIMIT are small; buckets, whose slots weigh
 * more or less, since a charge is a number of bytes whatever for; what decides whether a quota is
 * raised, since here any is. Orders: nothing goes by the budget but the budget, one word, and a
 * word alone is in order however relaxed.
 *
 * Controls, each of which must fail:
 *  TORN_CHARGE    a charge is a load and a store
 *  EARLY_RETURN   a charge is returned before the quota is lowered
 *  FORGET_CHARGE  a thread's end does not return its charge
 */

#ifndef THREADS
#define THREADS 3
#endif
#ifndef LIMIT
#define LIMIT 4
#endif
#ifndef QUOTA
#define QUOTA 3
#endif

byte charged;
byte quotas; /* the sum over all threads */
byte ended;

inline check()
{
    assert(quotas <= charged && charged <= LIMIT)
}

inline budget_charge(amount)
{
    atomic {
        /* site budget_charge: load charged relaxed */
        seen = charged
    };
    do
    :: atomic { amount > LIMIT - seen -> amount = 0; break }
    :: atomic {
            amount <= LIMIT - seen ->
            if
#ifdef TORN_CHARGE
            :: true ->
#else
            :: charged == seen ->
#endif
                /* site budget_charge: compare_exchange_weak charged relaxed relaxed */
                charged = seen + amount;
                check();
                break
            :: seen = charged
            fi
        }
    od
}

inline budget_return(amount)
{
    atomic {
        /* site budget_return: fetch_sub charged relaxed */
        charged = charged - amount;
        check()
    }
}

inline lower(amount)
{
    atomic {
        quota = quota - amount;
        quotas = quotas - amount;
        check()
    }
}

inline choose(limit)
{
    do
    :: change < limit -> change++
    :: change > 0 -> break
    od
}

proctype thread()
{
    byte quota, change, seen;

    do
    :: atomic { quota < QUOTA -> choose(QUOTA - quota) };
        budget_charge(change);
        atomic {
            quota = quota + change;
            quotas = quotas + change;
            check();
            change = 0;
            seen = 0
        }
    :: atomic { quota > 0 -> choose(quota) };
#ifdef EARLY_RETURN
        budget_return(change);
        lower(change);
#else
        lower(change);
#ifdef FORGET_CHARGE
        if
        :: quota > 0 -> budget_return(change)
        :: else
        fi;
#else
        budget_return(change);
#endif
#endif
        change = 0
    :: atomic { quota == 0 -> break }
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
    atomic { ended == THREADS -> assert(charged == 0) }
}
