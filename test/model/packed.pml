/* A spin model of packed slots: threads take blocks of shared slots and free them, and the last free frees the slot. */
/* SPDX-License-Identifier: BSD-2-Clause */

/* What is modelled: src/route/packed.c, for one class (a size of blocks). Several blocks share a packed slot, and the
 * slot's header is a record that says which of these blocks are in use. Threads allocate and free blocks as often as
 * they like, and may stop after any call. A thread may free only blocks that it holds, because the program orders what
 * it does with a block. Each access to a word that threads share is one step, and spin tries every order of steps. A
 * comment "site" names the access in the code for which the step below it stands; scripts/check-model compares the
 * sites of the models and of the code, including memory orders.
 *
 * What must be true: no block is allocated that is in use. No slot is freed while a block of it is in use, and none
 * serves after it was freed. At the end each header lies in one place, as the table in packed.c says, a slot with room
 * is on the list, and each slot that is not free has a block in use.
 *
 * What is left out, and why that is sound: the lists are sets, from which any header may be popped, because the stack
 * has a model of its own. With three blocks a slot can be empty, have room before and after a block is taken, or be
 * full. If all slots of the model are in use, the pools refuse a slot. Classes share only the unused headers and the
 * pools. Memory orders: a thread that takes a block acquires what the last free of that block released, and all changes
 * of a state are read-modify-writes but those of a thread that has the header for itself.
 *
 * Controls, each of which must make spin find a fault:
 *  TORN_TAKE    the state is loaded and stored in two steps when a block is taken
 *  TRUST_LIST   a header on the list is used without a check if its slot has been freed
 *  FULL_STAYS   a free in a full slot does not put the header on the list
 *  EARLY_UNUSED the free that frees the slot puts the header among the unused ones at once */

#ifndef THREADS
#define THREADS 2
#endif
#ifndef HEADERS
#define HEADERS 2
#endif
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef BLOCKS
#define BLOCKS 3
#endif

#define BIT(number) (1 << (number))
#define FULL (BIT(BLOCKS) - 1)
#define LISTED BIT(BLOCKS)
#define NOBODY 15
#define BLOCK_OF(slot, index) BIT((slot) * BLOCKS + (index))

byte state[HEADERS];
byte slot_of[HEADERS];
byte opened;
byte listed; /* the headers on the list of slots with room, one bit for each header */
byte unused; /* the headers on the list of unused headers, one bit for each header */

byte header_of[SLOTS]; /* the number of each slot's header, as the slot's metadata has it */
byte live;             /* the slots that the pools have allocated */
byte in_use;           /* the blocks that threads hold, one bit for each block of each slot */
byte ended;

inline push_listed()
{
    atomic {
        /* site packed_push: stack_push stack */
        assert(!(listed & BIT(header)) && !(unused & BIT(header)));
        listed = listed | BIT(header)
    }
}

inline push_unused()
{
    atomic {
        assert(!(listed & BIT(header)) && !(unused & BIT(header)));
        unused = unused | BIT(header)
    }
}

/* Pops any header of a set, or sets `header` to NOBODY if the set is empty. */
inline pop(set)
{
    atomic {
        /* site packed_pop: stack_pop stack */
        header = 0;
        if
        :: set == 0 -> header = NOBODY
        :: else ->
            do
            :: (set & BIT(header)) -> break
            :: (set >> (header + 1)) != 0 -> header++
            od;
            set = set & ~BIT(header)
        fi
    }
}

inline hold_block()
{
    assert(live & BIT(slot));
    assert(!(in_use & BLOCK_OF(slot, index)));
    in_use = in_use | BLOCK_OF(slot, index);
    holds = holds | BLOCK_OF(slot, index)
}

/* Models packed_take. Sets `done` if a block was taken. */
inline take()
{
    atomic {
        /* site packed_take: load state relaxed */
        seen = state[header]
    };
    do
#ifndef TRUST_LIST
    :: atomic { seen == LISTED ->
            /* site packed_take: store state relaxed */
            state[header] = 0
        };
        push_unused();
        break
    :: atomic { seen != LISTED ->
#else
    :: atomic { true ->
#endif
            index = (!(seen & 1) -> 0 : (!(seen & 2) -> 1 : 2));
            wanted = seen | BIT(index);
            wanted = ((wanted & FULL) == FULL -> FULL : wanted)
        };
        atomic {
            if
#ifdef TORN_TAKE
            :: true ->
#else
            :: state[header] == seen ->
#endif
                /* site packed_take: compare_exchange_weak state acquire relaxed */
                state[header] = wanted;
                done = true
            :: state[header] != seen -> seen = state[header]
            fi
        };
        if
        :: done ->
            atomic {
                /* site packed_take: load slot relaxed */
                slot = slot_of[header];
                hold_block()
            };
            if
            :: wanted != FULL -> push_listed()
            :: else
            fi;
            break
        :: else
        fi
    od
}

/* Models packed_begin, and packed_open_header, which it calls. */
inline begin()
{
    pop(unused);
    if
    :: header == NOBODY ->
        atomic {
            /* site packed_open_header: load opened relaxed */
            /* site packed_open_header: compare_exchange_weak opened relaxed relaxed */
            if
            :: opened < HEADERS -> header = opened; opened++
            :: else
            fi
        }
    :: else
    fi;
    if
    :: header != NOBODY ->
        atomic {
            slot = 0;
            do
            :: slot < SLOTS && (live & BIT(slot)) -> slot++
            :: else -> break
            od;
            if
            :: slot < SLOTS -> live = live | BIT(slot)
            :: slot == SLOTS
            fi
        };
        if
        :: slot == SLOTS -> push_unused()
        :: else ->
            /* site packed_begin: store slot relaxed */
            slot_of[header] = slot;
            atomic {
                /* site packed_begin: store state relaxed */
                state[header] = LISTED | 1;
                header_of[slot] = header
            };
            push_listed();
            atomic { index = 0; hold_block() }
        fi
    :: else
    fi
}

inline finish()
{
    header = 0;
    slot = 0;
    index = 0;
    seen = 0;
    wanted = 0;
    done = false
}

inline allocate()
{
    do
    :: pop(listed);
        if
        :: header == NOBODY -> begin(); break
        :: else ->
            take();
            if
            :: done -> break
            :: else
            fi
        fi
    od;
    atomic { finish() }
}

/* Models packed_free. The thread has chosen the slot and the index of a block that it holds. */
inline release()
{
    atomic {
        header = header_of[slot];
        /* site packed_find: load opened relaxed */
        assert(header < opened);
        /* site packed_find: load slot relaxed */
        /* site packed_free: load slot relaxed */
        assert(slot_of[header] == slot);
        /* site packed_free: load state relaxed */
        seen = state[header];
        holds = holds & ~BLOCK_OF(slot, index)
    };
    do
    :: atomic {
            if
            :: state[header] == seen ->
                assert(seen & BIT(index));
                wanted = (seen & ~BIT(index)) | LISTED;
                /* site packed_free: compare_exchange_weak state acq_rel relaxed */
                state[header] = wanted;
                in_use = in_use & ~BLOCK_OF(slot, index);
                done = true
            :: else -> seen = state[header]
            fi
        };
        if
        :: done -> break
        :: else
        fi
    od;
    if
    :: !(seen & LISTED) ->
#ifndef FULL_STAYS
        push_listed()
#endif
    :: (seen & LISTED) && wanted == LISTED ->
        atomic {
            assert(live & BIT(slot));
            assert(!(in_use & (FULL << (slot * BLOCKS))));
            live = live & ~BIT(slot)
        }
#ifdef EARLY_UNUSED
        ;
        push_unused()
#endif
    :: (seen & LISTED) && wanted != LISTED
    fi;
    atomic { finish() }
}

proctype thread()
{
    byte holds, header, slot, index, seen, wanted;
    bool done;

    do
    :: allocate()
    :: atomic {
            holds != 0 ->
            do
            :: (holds & BLOCK_OF(slot, index)) -> break
            :: (holds >> (slot * BLOCKS + index + 1)) != 0 ->
                if
                :: index + 1 < BLOCKS -> index++
                :: else -> index = 0; slot++
                fi
            od
        };
        release()
    :: break
    od;
    ended++
}

/* Checks that the end state agrees with the table in packed.c. */
inline check_rest()
{
    do
    :: header < opened ->
        if
        :: (unused & BIT(header)) -> assert(state[header] == 0 && !(listed & BIT(header)))
        :: (listed & BIT(header)) -> assert((state[header] & LISTED) && state[header] != (FULL | LISTED))
        :: else -> assert(state[header] == FULL) /* otherwise a slot with room would be on no list */
        fi;
        assert(!(state[header] & FULL) || (live & BIT(slot_of[header])));
        header++
    :: else -> break
    od;
    do
    :: slot < SLOTS ->
        assert(!(live & BIT(slot)) || (state[header_of[slot]] & FULL)); /* otherwise an empty slot has stayed live */
        assert(!(live & BIT(slot)) || slot_of[header_of[slot]] == slot);
        slot++
    :: else -> break
    od
}

init
{
    byte number, header, slot;

    atomic {
        do
        :: number < THREADS -> run thread(); number++
        :: else -> break
        od;
        number = 0
    }
    atomic { ended == THREADS -> check_rest() }
}
