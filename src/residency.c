/* How much of a lane is in memory, and in which state of slot. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "residency.h"

#include "card.h"
#include "lane.h"
#include "os.h"

/* The figure that a slot's pages belong to. */
static size_t *residency_of(struct residency *residency, unsigned bucket, size_t number)
{
    if (number >= lane_carved(bucket)) {
        return &residency->free;
    }
    switch (card_state(card_read(&lanes.lane[bucket].cards[number]))) {
    case CARD_LIVE:
        return &residency->live;
    case CARD_PURGED:
        return &residency->purged;
    default:
        return &residency->free;
    }
}

void residency_measure(unsigned bucket, struct residency *residency)
{
    const struct lane *lane = &lanes.lane[bucket];
    unsigned char pages[OS_RESIDENCY_PAGES]; /* on the stack: a handler's may be two pages */
    size_t page = os_page_size();
    size_t ready = lane_ready(bucket);
    *residency = (struct residency){.known = true};
    for (size_t at = 0; at < ready; at += OS_RESIDENCY_PAGES * page) {
        size_t left = ready - at;
        size_t part = left < OS_RESIDENCY_PAGES * page ? left : OS_RESIDENCY_PAGES * page;
        if (!residency_ask(lane->slots + at, part, pages)) {
            *residency = (struct residency){.known = false};
            return;
        }
        for (size_t i = 0; i < part / page; i++) {
            if ((pages[i] & 1U) != 0) {
                *residency_of(residency, bucket, (at + i * page) / lane->stride) += page;
            }
        }
    }
}
