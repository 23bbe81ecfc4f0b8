/* A spin model of the budget, the limit on the bytes of all quotas of caches: threads charge the budget before they
 * raise their quotas, and return the charge after they lower their quotas. */
/* SPDX-License-Identifier: BSD-2-Clause */

/* What is modelled: src/cache/budget.c and its use by cache_set_quota. Each thread raises and lowers its quota any
 * number of times, and has no quota when it ends. Each access to a word that threads share is one step, and spin tries
 * every order of steps. A comment "site" names the access in the code for which the step below it stands;
 * scripts/check-model compares the sites of the models and of the code, including memory orders.
 *
 * What must be true at every step: the sum of all quotas is at most what was charged, and the charge is at most the
 * limit. When all threads have ended, nothing is charged.
 *
 * What is left out, and why that is sound: THREADS and LIMIT are small. Buckets have slots of different sizes, but a
 * charge is only a number of bytes. Here any quota may be raised, while the code chooses one. Memory orders: no other
 * data depend on the value of the budget. The budget is one word, and the accesses to one word are ordered even if they
 * are relaxed.
 *
 * Controls, each of which must make spin find a fault:
 *  TORN_CHARGE    a charge is a separate load and store
 *  EARLY_RETURN   a charge is returned before the quota is lowered
 *  FORGET_CHARGE  a thread that ends does not return its charge */

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
byte quotas; /* the sum of the quotas that all threads have now */
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
