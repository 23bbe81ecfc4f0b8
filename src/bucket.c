/* The buckets: which power of two serves a request, and how large its slots are. Pure arithmetic.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "bucket.h"

#include "text.h"

static size_t round_up(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

/* The smallest power of two, a page at least, whose bucket takes the request. */
static size_t bucket_first_size(size_t request, size_t headroom, size_t page)
{
    size_t size = page;
    while (size + headroom < request) {
        size *= 2;
    }
    return size;
}

static void bucket_add(struct bucket_plan *plan, size_t size, size_t headroom)
{
    unsigned bucket = plan->count++;
    plan->size[bucket] = size;
    plan->capacity[bucket] = size + headroom;
    plan->stride[bucket] = size + headroom;
    struct text label = text_begin(plan->label[bucket], BUCKET_LABEL_SIZE);
    text_add_size(&label, size);
}

static void bucket_fill_map(const struct bucket_plan *plan, uint8_t map[BUCKET_GRANULES])
{
    unsigned bucket = 0;
    for (size_t granule = 0; granule << BUCKET_GRANULE_SHIFT < plan->maximum; granule++) {
        size_t largest = (granule + 1) << BUCKET_GRANULE_SHIFT;
        while (bucket + 1 < plan->count && plan->capacity[bucket] < largest) {
            bucket++;
        }
        map[granule] = (uint8_t)bucket;
    }
}

void bucket_plan_make(struct bucket_plan *plan, const struct bucket_settings *settings,
                      uint8_t map[BUCKET_GRANULES])
{
    size_t headroom = round_up(settings->headroom, settings->page);
    *plan = (struct bucket_plan){.minimum = settings->minimum, .maximum = settings->maximum};
    size_t size = bucket_first_size(settings->minimum, headroom, settings->page);
    bucket_add(plan, size, headroom);
    while (size + headroom < settings->maximum) {
        size *= 2;
        bucket_add(plan, size, headroom);
    }
    while (plan->first_large < plan->count && plan->size[plan->first_large] < settings->large) {
        plan->first_large++;
    }
    bucket_fill_map(plan, map);
}
