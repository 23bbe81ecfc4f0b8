/* Defines the functions of include/sockmalloc.h that return figures and settings, give free memory back to the kernel,
 * and write statistics. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <sockmalloc.h>

#include <string.h>

#include "base/attributes.h"
#include "base/text.h"
#include "config/option.h"
#include "config/setting.h"
#include "memory/region.h"
#include "pool/pool.h"
#include "pool/pool_spare.h"
#include "preload/init.h"
#include "route/packed.h"
#include "route/route.h"
#include "route/slack.h"
#include "statistics/dump.h"
#include "statistics/snapshot.h"

EXPORTED int sockmalloc_active(void)
{
    return route.limit > 0 ? 1 : 0;
}

EXPORTED size_t sockmalloc_configuration(char *buffer, size_t size)
{
    struct text text = text_begin(buffer, size);
    option_print_all(&options, &text);
    return text.used;
}

/*
 * Returns the bucket whose label is the first `length` characters of `name`, or the number of buckets if there is
 * none.
 */
static unsigned find_bucket(const char *name, size_t length)
{
    unsigned bucket = 0;
    while (bucket < init_plan.count &&
           (strlen(init_plan.label[bucket]) != length || strncmp(init_plan.label[bucket], name, length) != 0)) {
        bucket++;
    }
    return bucket;
}

EXPORTED int sockmalloc_statistic(const char *name, uint64_t *value)
{
    struct snapshot_figures figures;
    const char *point = strchr(name, '.');
    unsigned bucket = region.buckets; /* stands for all buckets */
    if (point != NULL) {
        bucket = find_bucket(name, (size_t)(point - name));
        if (bucket >= region.buckets) {
            return -1;
        }
        name = point + 1;
    }
    snapshot_take_figures(&figures, bucket);
    const uint64_t *figure = snapshot_find(&figures, name);
    if (figure == NULL || *figure == SNAPSHOT_UNKNOWN) {
        return -1;
    }
    *value = *figure;
    return 0;
}

EXPORTED int sockmalloc_owns(const void *address)
{
    return region_owns(address) ? 1 : 0;
}

EXPORTED size_t sockmalloc_capacity(const void *address)
{
    if (!region_owns(address)) {
        return 0;
    }
    size_t packed = packed_capacity(address);
    struct place place = region_find(address);
    return packed > 0 || !place.found ? packed : region.geometry[place.bucket].capacity - slack_of(place.number);
}

EXPORTED size_t sockmalloc_trim(size_t limit)
{
    pool_recover_due();
    pool_drop_spares();
    return pool_trim(limit);
}

EXPORTED int sockmalloc_dump(int descriptor)
{
    return dump_to(descriptor) ? 0 : -1;
}

EXPORTED int sockmalloc_dump_as(int descriptor, const char *format)
{
    static const struct setting words = {SETTING_FORMAT, 0, 0};
    uint64_t chosen;
    return setting_read(&words, format, &chosen) && dump_as(descriptor, (enum format)chosen) ? 0 : -1;
}
