/* A spin model of the stack of src/base/stack.h: several threads push and pop, and items are reused. */
/* SPDX-License-Identifier: BSD-2-Clause */

/* What is modelled: the heads {tag, number of the top item plus one}, the table of links, and the two operations
 * statement by statement. Each access to a word that threads share is one step, and spin tries every order of steps. A
 * comment "site" names the access in the code for which the step below it stands; scripts/check-model compares the
 * sites of the models and of the code, including memory orders. A thread pops, or pushes any item that it holds, as
 * often as it likes. It may push an item on another stack than the one from which the item came, as a purge does with
 * slots and a depot with magazines. All stacks of a bucket's slots share one table of links, and so do all depots. So
 * spin also tries the sequence that breaks a head without a tag: load A and its link B, sleep while other threads pop
 * A, pop B and push A, and then swap B in.
 *
 * What must be true: no thread pops an item that is not on the stack or that another thread holds. At the end a walk
 * from the heads ends, and meets every item that no thread holds exactly once, on the stack to which the item belongs.
 * A thread may stop after any operation, so what is true at the end is true always.
 *
 * What is left out, and why that is sound:
 *  - Numbers: an item takes part by its number only, and a step touches a head, one link and one item. So three
 *    threads are enough: one that is disturbed, one that disturbs it, and one more; and two items for the sequence
 *    above.
 *  - The width of the tag: with OPERATIONS=0 a thread may do any number of operations while another sleeps, and the
 *    tag never wraps round. Then a thread finds the tag that it saw earlier if and only if nothing was popped since.
 *    So a bit for each thread and stack replaces the tag, and the number of states stays finite. If OPERATIONS bounds
 *    the operations of each thread, the tag has TAG_BITS bits: four cannot wrap round, one wraps round after two
 *    pops, and then the model must fail.
 *  - The compare-and-swap without a lock prefix, in a process of one thread, is the same step: a signal handler that
 *    interrupts the operation acts as a thread that runs while this one stands still.
 *  - A weak compare-and-swap may fail without a reason, and so it may here.
 *
 * Spin knows sequential consistency only. Beyond that: the swap of a push releases the link that was stored before
 * it. The load of the head in a pop, and a swap that failed, acquire it. Every change of the head is a
 * read-modify-write, so a thread that reads a later head has acquired all earlier pushes, too. A thread may read a
 * link that is newer than its head, in the code and in the model: then the item was popped meanwhile, the tag has
 * changed, and the swap fails.
 *
 * Controls, each of which must make spin find a fault:
 *  TAG_BITS=1   the tag wraps round, which is the ABA problem
 *  TAG_STANDS   a pop does not advance the tag
 *  LINK_ONCE    a push stores its link once, and not again before each swap */

#ifndef THREADS
#define THREADS 3
#endif
#ifndef ITEMS
#define ITEMS 2
#endif
#ifndef STACKS
#define STACKS 1
#endif
#ifndef OPERATIONS
#define OPERATIONS 0
#endif
#ifndef TAG_BITS
#define TAG_BITS 4
#endif

#define TAG_MASK ((1 << TAG_BITS) - 1)
#define BIT(item) (1 << (item))
#define EVERYBODY (BIT(THREADS) - 1)

#if OPERATIONS == 0 || defined TAG_STANDS
#define TAG_AFTER(tag) (tag)
#else
#define TAG_AFTER(tag) (((tag) + 1) & TAG_MASK)
#endif

/*
 * A model without a tag (OPERATIONS is 0) uses the bits of `outdated` in place of the tag. CURRENT clears this thread's
 * own bit, and OUTDATED keeps all bits. In all other models both are 0: the model has a tag, or it shows the fault of a
 * tag that does not change (TAG_STANDS).
 */
#if OPERATIONS == 0 && !defined TAG_STANDS
#define CURRENT(bits) ((bits) & ~BIT(self))
#define OUTDATED(bits) (bits)
#else
#define CURRENT(bits) 0
#define OUTDATED(bits) 0
#endif

#if OPERATIONS == 0
#define ONE_MORE true
#define AND_THEN_NONE true
#define COUNTED(operations) 0
#else
#define ONE_MORE operations < OPERATIONS
#define AND_THEN_NONE else
#define COUNTED(operations) ((operations) + 1)
#endif

/* A head is one word, so its parts are read, compared and written in one step. */
byte head_tag[STACKS];
byte head_number[STACKS];
byte link[ITEMS];

/* in place of a tag: one bit for each thread, set if the thread has not seen the tag that the stack would have now */
byte outdated[STACKS];
/* the items that are really on each stack, one bit for each item; check_rest compares the links with them */
byte on_stack[STACKS];
byte ended;

#define HEAD_TAG head_tag[stack]
#define HEAD_NUMBER head_number[stack]
#define NOT_SEEN outdated[stack]
#define ON_STACK on_stack[stack]

inline look()
{
    tag = HEAD_TAG;
    number = HEAD_NUMBER;
    NOT_SEEN = CURRENT(NOT_SEEN)
}

/* Models stack_swap. If the swap fails, the head is loaded again, as by the code's compare-and-swap. */
inline swap(wanted_tag, wanted_number)
{
    if
    :: HEAD_TAG == tag && HEAD_NUMBER == number && !(NOT_SEEN & BIT(self)) ->
        /* site stack_swap: asm cmpxchgq */
        /* site stack_swap: compare_exchange_weak head acq_rel acquire */
        HEAD_TAG = wanted_tag;
        HEAD_NUMBER = wanted_number;
        done = true
    :: look()
    fi
}

/* Ends an operation: the thread forgets the tag that it has seen. Resets the local variables, because old values would
 * only make more states. */
inline finish()
{
    NOT_SEEN = OUTDATED(NOT_SEEN | BIT(self));
    stack = 0;
    tag = 0;
    number = 0;
    next = 0;
    item = 0;
    done = false
}

inline push()
{
    atomic {
        /* site stack_push: load head relaxed */
        look()
    };
#ifdef LINK_ONCE
    link[item] = number;
#endif
    do
    :: !done ->
#ifndef LINK_ONCE
        /* site stack_push: store links relaxed */
        link[item] = number;
#endif
        atomic {
            /* site stack_push: stack_swap stack */
            swap(tag, item + 1);
            if
            :: done ->
                assert(!(ON_STACK & BIT(item)));
                ON_STACK = ON_STACK | BIT(item);
                holds = holds & ~BIT(item);
                finish();
                break
            :: else
            fi
        }
    od
}

inline pop()
{
    atomic {
        /* site stack_pop: load head acquire */
        look()
    };
    do
    :: atomic { number == 0 -> finish(); break }
    :: number != 0 ->
        /* site stack_pop: load links relaxed */
        next = link[number - 1];
        atomic {
            item = number - 1;
            /* site stack_pop: stack_swap stack */
            swap(TAG_AFTER(tag), next);
            if
            :: done ->
                assert(ON_STACK & BIT(item)); /* otherwise another thread would hold the item */
                ON_STACK = ON_STACK & ~BIT(item);
                NOT_SEEN = OUTDATED(EVERYBODY);
                holds = holds | BIT(item);
                finish();
                break
            :: else -> next = 0; item = 0
            fi
        }
    od
}

proctype thread(byte self)
{
    byte holds, stack, tag, number, next, item, operations;
    bool done;

    do
    :: atomic { ONE_MORE -> operations = COUNTED(operations) };
        atomic {
            do
            :: break
            :: stack + 1 < STACKS -> stack++
            od
        };
        if
        :: pop()
        :: atomic {
                holds != 0 ->
                do
                :: (holds & BIT(item)) -> break
                :: (holds >> (item + 1)) != 0 -> item++
                od
            };
            push()
        fi
    :: AND_THEN_NONE -> break
    od;
    ended++
}

/* Checks the end state: the links hold exactly the items on the stacks, each item once. */
inline check_rest()
{
    do
    :: stack < STACKS ->
        met = 0;
        number = HEAD_NUMBER;
        do
        :: number != 0 ->
            assert(number <= ITEMS);
            assert(!(met & BIT(number - 1))); /* otherwise the links would form a cycle */
            met = met | BIT(number - 1);
            number = link[number - 1]
        :: else -> break
        od;
        assert(met == ON_STACK); /* otherwise some items would be lost */
        stack++
    :: else -> break
    od
}

init
{
    byte stack, number, met;

    /* At first all items lie on the first stack, in the order of their numbers. */
    atomic {
        HEAD_NUMBER = 1;
        ON_STACK = BIT(ITEMS) - 1;
        do
        :: number < ITEMS - 1 -> link[number] = number + 2; number++
        :: else -> break
        od;
        do
        :: stack < STACKS -> NOT_SEEN = OUTDATED(EVERYBODY); stack++
        :: else -> break
        od;
        stack = 0;
        number = 0;
        do
        :: number < THREADS -> run thread(number); number++
        :: else -> break
        od;
        number = 0
    }
    atomic { ended == THREADS -> check_rest() }
}
