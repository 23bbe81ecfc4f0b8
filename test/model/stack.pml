/* A spin model of the stack of src/stack.h: pushes and pops by several threads, items reused. */
/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What is modelled. The head {tag, number of the top item plus one}, the table of links, and the
 * two operations statement by statement: each access to a word that threads share is one step, and
 * spin tries every order of steps. The comments "site" name the source line that a step stands for;
 * scripts/check-model holds the two to each other. A thread pops, or pushes any item that it holds,
 * OPERATIONS times; an item that was popped is pushed again, by the same thread or, since the stack
 * is what hands it on, by another. So the sequence that a head without a tag gives way to is
 * within reach: load A and its link B, sleep while others pop A, pop B and push A, and swap B in.
 *
 * What must hold: nobody pops an item that is not on the stack or is in another hand, and at the
 * end a walk from the head meets every item that no thread holds, once, and comes to an end.
 *
 * What is left out, and why that is sound:
 *  - Numbers. THREADS, ITEMS and OPERATIONS are small. An item takes part by its number alone, and a
 *    step touches the head, one link and one item, so what can go wrong does so with a victim, whoever
 *    disturbs it, and one more thread: three threads and three items.
 *  - The tag has TAG_BITS bits instead of 40. While a thread sleeps, the others make at most
 *    (THREADS - 1) * OPERATIONS pops; a tag that cannot come round in so many stands for any wider
 *    one. With TAG_BITS=1 it comes round after two pops, and the model must fail.
 *  - OPERATIONS=0 sets no bound: threads go on for as long as they like. Then the tag is one that
 *    never comes round. Such a tag equals the one seen just when nothing was popped meanwhile, so
 *    a bit for each thread stands for it, and the states stay finite.
 *  - The compare-and-swap without a lock prefix, in a process with one thread, is the same step: a
 *    signal handler that interrupts the operation is a thread that runs while this one stands still.
 *  - Weak compare-and-swap may fail without a cause: it may here, too.
 *  - stack_is_empty decides nothing, stack_reset runs where there is one thread: neither is here.
 *
 * Spin knows sequential consistency only. Beyond it the argument rests on these orders: the swap of
 * a push releases the link stored before it; the load of the head in a pop, and a swap that
 * failed, acquire it; every change of the head is a read-modify-write, so that who reads a later head
 * has acquired all earlier pushes, too. A link that is newer than the head read with it is
 * possible, here as there: the tag has then advanced, and the swap fails.
 *
 * Controls, each of which must fail:
 *  TAG_BITS=1   the tag comes round: ABA
 *  TAG_STANDS   a pop that does not advance the tag
 *  LINK_ONCE    a push that stores its link once and not again before each swap
 */

#ifndef THREADS
#define THREADS 3
#endif
#ifndef ITEMS
#define ITEMS 3
#endif
#ifndef OPERATIONS
#define OPERATIONS 3
#endif
#ifndef TAG_BITS
#define TAG_BITS 4
#endif

#define TAG_MASK ((1 << TAG_BITS) - 1)
#define BIT(item) (1 << (item))
#define ALL (BIT(ITEMS) - 1)
#define EVERYBODY (BIT(THREADS) - 1)

#if defined TAG_STANDS || OPERATIONS == 0
#define TAG_AFTER(tag) (tag)
#else
#define TAG_AFTER(tag) (((tag) + 1) & TAG_MASK)
#endif

#if OPERATIONS == 0
#define ONE_MORE true
#define AND_THEN_NONE true
#define CURRENT(bits) (bits) & ~BIT(self)
#define OUTDATED(bits) (bits)
#else
#define ONE_MORE operations < OPERATIONS
#define AND_THEN_NONE else
#define CURRENT(bits) 0
#define OUTDATED(bits) 0
#endif

/* The head is one word: both parts are read, compared and written in one step. */
byte head_tag;
byte head_number;
byte link[ITEMS];

byte outdated; /* without a bound: a bit for each thread that has not seen the head's tag */
byte on_stack; /* the truth that the links are held to: a bit for each item */
byte ended;

/* Reads the head. */
inline look(seen_tag, seen_number)
{
    seen_tag = head_tag;
    seen_number = head_number;
    outdated = CURRENT(outdated)
}

/* stack_swap: `seen` and `wanted` are heads; `done` tells. What failed has read the head anew. */
inline swap(seen_tag, seen_number, wanted_tag, wanted_number, done)
{
    if
    :: head_tag == seen_tag && !(outdated & BIT(self)) && head_number == seen_number ->
        head_tag = wanted_tag;
        head_number = wanted_number;
        done = true
    :: true ->
        look(seen_tag, seen_number);
        done = false
    fi
}

inline push(item)
{
    atomic { look(tag, number) } /* site: push_head */
#ifdef LINK_ONCE
    link[item] = number;
#endif
    do
    :: true ->
#ifndef LINK_ONCE
        link[item] = number; /* site: push_link */
#endif
        atomic {
            swap(tag, number, tag, item + 1, done); /* site: stack_swap */
            if
            :: done ->
                assert(!(on_stack & BIT(item)));
                on_stack = on_stack | BIT(item);
                outdated = OUTDATED(outdated | BIT(self));
                holds = holds & ~BIT(item);
                break
            :: else
            fi
        }
    od
}

inline pop()
{
    atomic { look(tag, number) } /* site: pop_head */
    do
    :: number == 0 -> outdated = OUTDATED(outdated | BIT(self)); break
    :: else ->
        below = link[number - 1]; /* site: pop_link */
        atomic {
            top = number - 1;
            swap(tag, number, TAG_AFTER(tag), below, done); /* site: stack_swap */
            if
            :: done ->
                assert(on_stack & BIT(top)); /* else it is in another hand */
                on_stack = on_stack & ~BIT(top);
                outdated = OUTDATED(EVERYBODY);
                holds = holds | BIT(top);
                break
            :: else -> below = 0; top = 0
            fi
        }
    od
}

proctype thread(byte self)
{
    byte holds, tag, number, below, top, item, operations;
    bool done;

    do
    :: ONE_MORE ->
        operations = (operations + 1) * (OPERATIONS != 0);
        if
        :: pop()
        :: holds != 0 ->
            atomic {
                item = 0;
                do
                :: (holds & BIT(item)) -> break
                :: (holds >> (item + 1)) != 0 -> item++
                :: else -> break
                od
            }
            push(item)
        fi;
        atomic { /* what is over makes no state of its own */
            tag = 0;
            number = 0;
            below = 0;
            top = 0;
            item = 0;
            done = false
        }
    :: AND_THEN_NONE -> break
    od;
    ended++
}

/* At rest: the links hold what is on the stack, each item once. */
inline check_rest()
{
    number = head_number;
    do
    :: number == 0 -> break
    :: else ->
        assert(number <= ITEMS);
        assert(!(met & BIT(number - 1))); /* else a cycle */
        met = met | BIT(number - 1);
        number = link[number - 1]
    od;
    assert(met == on_stack) /* else some were lost */
}

init
{
    byte number, met;

    /* All items lie on the stack, the first on top. */
    atomic {
        head_number = 1;
        on_stack = ALL;
        outdated = OUTDATED(EVERYBODY);
        do
        :: number < ITEMS - 1 -> link[number] = number + 2; number++
        :: else -> break
        od;
        number = 0;
        do
        :: number < THREADS -> run thread(number); number++
        :: else -> break
        od;
        number = 0
    }
    ended == THREADS;
    atomic { check_rest() }
}
