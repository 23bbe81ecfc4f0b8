/* Gives the pages of free slots back to the kernel. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "depot.h"
#include "os.h"
#include "pool.h"
#include "slots.h"
#include "standard.h"

/* A loose slot, or STACK_EMPTY; and back. The standard pool counts its own. */
static uint32_t pool_withdraw_loose(unsigned bucket)
{
    return pool_kind() == KIND_STANDARD ? standard_withdraw(bucket) : slots_take_loose(bucket);
}

static void pool_restore_loose(unsigned bucket, uint32_t number)
{
    if (pool_kind() == KIND_STANDARD) {
        standard_restore(bucket, number);
    } else {
        slots_give(bucket, number);
    }
}

/* Purges one free slot that the caller holds. One that the kernel would not take stays loose. */
static bool pool_purge(struct cache *cache, unsigned bucket, uint32_t number)
{
    struct cache_tally *tally = &cache->tally[bucket];
    struct card *card = &lanes.lane[bucket].cards[number];
    if (!os_discard(lane_slot(bucket, number), lanes.lane[bucket].stride)) {
        pool_restore_loose(bucket, number);
        pool_count_deposit(cache, bucket, 1);
        return false;
    }
    card_write(card, CARD_PURGED | card_request(card_read(card)));
    slots_give_purged(bucket, number);
    pool_count(cache, &tally->purged, 1);
    return true;
}

static size_t pool_trim_loose(struct cache *cache, unsigned bucket, size_t limit)
{
    size_t purged = 0;
    while (purged < limit) {
        uint32_t number = pool_withdraw_loose(bucket);
        if (number == STACK_EMPTY) {
            break;
        }
        pool_count_withdrawal(cache, bucket, 1);
        if (!pool_purge(cache, bucket, number)) {
            break;
        }
        purged += lanes.lane[bucket].stride;
    }
    return purged;
}

/* Empties the depot's full magazines into the stack of purged slots. */
static size_t pool_trim_depot(struct cache *cache, unsigned bucket, size_t limit)
{
    size_t purged = 0;
    while (purged < limit) {
        struct magazine *magazine = depot_take_full(bucket);
        if (magazine == NULL) {
            break;
        }
        uint32_t count = magazine_count(magazine);
        pool_count_withdrawal(cache, bucket, count);
        for (uint32_t i = 0; i < count; i++) {
            if (pool_purge(cache, bucket, lane_number(bucket, magazine->slot[i]))) {
                purged += lanes.lane[bucket].stride;
            }
        }
        magazine_set_count(magazine, 0);
        depot_give(bucket, magazine);
    }
    return purged;
}

size_t pool_trim(size_t limit)
{
    struct cache *cache = pool_books();
    size_t purged = 0;
    for (unsigned bucket = lanes.count; bucket-- > 0 && purged < limit;) {
        purged += pool_trim_loose(cache, bucket, limit - purged);
        purged += purged < limit ? pool_trim_depot(cache, bucket, limit - purged) : 0;
    }
    return purged;
}
