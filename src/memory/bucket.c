/* Decides which bucket (size class) serves a request, and how large its slots are. The functions only compute: they use
 * no memory but their arguments. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "memory/bucket.h"

#include "base/bounds.h"
#include "base/text.h"

static size_t round_up(size_t size, size_t unit)
{
    return (size + unit - 1) / unit * unit;
}

/* Returns the smallest power of two, a page or more, such that a bucket of this size can serve the request. */
static size_t bucket_first_power(size_t request, size_t headroom, size_t page)
{
    size_t power = page;
    while (power + headroom < request) {
        power *= 2;
    }
    return power;
}

static size_t at_most(size_t size, size_t limit)
{
    return LESSER(size, limit);
}

COLD void bucket_label(struct bucket_plan *plan, unsigned bucket)
{
    struct text label = text_begin(plan->label[bucket], BUCKET_LABEL_SIZE);
    text_add_size(&label, plan->size[bucket]);
}

/*
 * Adds a bucket of `power` bytes to the plan. Its slots can hold `headroom` bytes more than that, but at most the
 * largest request of the pools, rounded up to whole pages.
 */
static void bucket_add(struct bucket_plan *plan, size_t power, size_t headroom, size_t page)
{
    unsigned bucket = plan->count++;
    plan->size[bucket] = at_most(power, plan->maximum);
    plan->capacity[bucket] = at_most(power + headroom, round_up(plan->maximum, page));
    plan->stride[bucket] = plan->capacity[bucket];
    bucket_label(plan, bucket);
}

COLD void bucket_map_make(const struct bucket_plan *plan, bucket_offset map[BUCKET_GRANULES])
{
    unsigned bucket = 0;
    for (size_t granule = 0; granule << BUCKET_GRANULE_SHIFT < plan->maximum; granule++) {
        size_t largest = (granule + 1) << BUCKET_GRANULE_SHIFT;
        while (bucket + 1 < plan->count && plan->capacity[bucket] < largest) {
            bucket++;
        }
        map[granule] = (bucket_offset)bucket_offset_of(bucket);
    }
}

COLD void bucket_plan_make(struct bucket_plan *plan, const struct bucket_settings *settings,
                           bucket_offset map[BUCKET_GRANULES])
{
    size_t headroom = round_up(settings->headroom, settings->page);
    *plan = (struct bucket_plan){.minimum = settings->minimum, .maximum = settings->maximum};
    size_t power = bucket_first_power(settings->minimum, headroom, settings->page);
    bucket_add(plan, power, headroom, settings->page);
    while (power + headroom < settings->maximum) {
        power *= 2;
        bucket_add(plan, power, headroom, settings->page);
    }
    while (plan->first_large < plan->count && plan->size[plan->first_large] < settings->large) {
        plan->first_large++;
    }
    if (map != NULL) {
        bucket_map_make(plan, map);
    }
}

COLD bool bucket_map_is_usual(const struct bucket_plan *plan)
{
    size_t granule = (size_t)1 << BUCKET_GRANULE_SHIFT;
    return plan->size[0] == granule && plan->capacity[0] == 2 * granule && plan->maximum <= BUCKET_USUAL_MAXIMUM;
}
