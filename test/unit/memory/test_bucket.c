/* Tests of memory/bucket.c: the capacities of the default buckets, the buckets of unusual settings, and the map from a
 * request to its bucket. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <string.h>

#include "memory/bucket.h"

static struct bucket_plan plan;
static bucket_offset map[BUCKET_GRANULES];

static const struct bucket_settings defaults = {
    .minimum = 4096, .maximum = 4 << 20, .large = 85000, .headroom = 4096, .page = 4096};

static unsigned bucket_of(size_t request)
{
    return map[(request - 1) >> BUCKET_GRANULE_SHIFT] / CACHE_LINE;
}

static size_t whole_pages(size_t size, const struct bucket_settings *settings)
{
    return (size + settings->page - 1) & ~(settings->page - 1);
}

static size_t smaller(size_t one, size_t other)
{
    return one < other ? one : other;
}

/*
 * Returns the size that the bucket of a request must have. This is the smallest power of two that is at least a page
 * and, together with the headroom, at least the request; the headroom is rounded up to whole pages. If the largest
 * request is smaller than this power of two, returns the largest request instead.
 */
static size_t rule(size_t request, const struct bucket_settings *settings)
{
    size_t headroom = whole_pages(settings->headroom, settings);
    size_t size = settings->page;
    while (size + headroom < request) {
        size <<= 1;
    }
    return smaller(size, settings->maximum);
}

static void expect_by_rule(size_t request, const struct bucket_settings *settings)
{
    unsigned bucket = bucket_of(request);
    cr_assert_lt(bucket, plan.count, "request %zu", request);
    cr_assert_eq(plan.size[bucket], rule(request, settings), "request %zu has bucket %s", request, plan.label[bucket]);
}

/* Checks what must be true of the buckets under any settings. */
static void expect_sound(const struct bucket_settings *settings)
{
    cr_assert_geq(plan.count, 1U);
    cr_assert_leq(plan.count, (unsigned)BUCKET_LIMIT);
    cr_assert_leq(plan.first_large, plan.count);
    cr_assert_eq(plan.minimum, settings->minimum);
    cr_assert_eq(plan.maximum, settings->maximum);
    size_t last = plan.size[plan.count - 1];
    cr_assert_leq(last, plan.maximum);
    cr_assert_eq(plan.capacity[plan.count - 1],
                 smaller(whole_pages(last, settings) + whole_pages(settings->headroom, settings),
                         whole_pages(plan.maximum, settings)),
                 "the last bucket ends between the largest request and that plus the headroom");
    cr_assert_geq(plan.capacity[plan.count - 1], plan.maximum, "no bucket is missing");
    cr_assert(plan.count == 1 || plan.capacity[plan.count - 2] < plan.maximum,
              "the last bucket but one is smaller than the largest request");
    cr_assert_eq(plan.size[0], rule(plan.minimum, settings));
    for (unsigned bucket = 0; bucket < plan.count; bucket++) {
        bool power = (plan.size[bucket] & (plan.size[bucket] - 1)) == 0;
        cr_assert(power || plan.size[bucket] == plan.maximum);
        cr_assert(!power || bucket == 0 || plan.size[bucket] == 2 * plan.size[bucket - 1]);
        cr_assert(power || bucket + 1 == plan.count);
        cr_assert(bucket == 0 || plan.size[bucket] > plan.size[bucket - 1]);
        cr_assert(bucket == 0 || plan.capacity[bucket] > plan.capacity[bucket - 1]);
        cr_assert_eq(plan.capacity[bucket] % settings->page, 0);
        cr_assert_eq(plan.stride[bucket] % settings->page, 0, "slots begin at the start of a page");
        cr_assert_geq(plan.stride[bucket], plan.capacity[bucket]);
        cr_assert_eq(bucket >= plan.first_large, plan.size[bucket] >= settings->large);
    }
}

static void make(const struct bucket_settings *settings)
{
    bucket_plan_make(&plan, settings, map);
    expect_sound(settings);
}

Test(bucket, default_capacities_are_the_designs)
{
    static const struct {
        const char *label;
        size_t capacity;
    } rows[] = {
        {"4k", 8192},     {"8k", 12288},    {"16k", 20480},  {"32k", 36864},  {"64k", 69632},  {"128k", 135168},
        {"256k", 266240}, {"512k", 528384}, {"1m", 1052672}, {"2m", 2101248}, {"4m", 4194304},
    };
    make(&defaults);
    cr_assert_eq(plan.count, sizeof rows / sizeof rows[0]);
    size_t first = plan.minimum;
    for (unsigned bucket = 0; bucket < plan.count; bucket++) {
        size_t last = rows[bucket].capacity < plan.maximum ? rows[bucket].capacity : plan.maximum;
        cr_expect_str_eq(plan.label[bucket], rows[bucket].label);
        cr_expect_eq(plan.capacity[bucket], rows[bucket].capacity);
        cr_expect_eq(plan.stride[bucket], rows[bucket].capacity);
        cr_expect_eq(bucket_of(first), bucket, "%zu is %s's first", first, rows[bucket].label);
        cr_expect_eq(bucket_of(last), bucket, "%zu is %s's last", last, rows[bucket].label);
        first = last + 1;
    }
    cr_assert_str_eq(plan.label[plan.first_large], "128k", "the first large bucket");
}

/* Servers often allocate 2^n bytes and a small header. Such a request fits into the bucket of 2^n, whose slots have
 * headroom for the header. */
Test(bucket, headers_fit_into_the_headroom)
{
    static const struct {
        size_t request;
        const char *label;
    } rows[] = {
        {4096, "4k"},   {8192, "4k"},    {8193, "8k"},     {16384, "16k"},  {16390, "16k"},  {16400, "16k"},
        {16416, "16k"}, {16712, "16k"},  {20480, "16k"},   {20481, "32k"},  {65537, "64k"},  {65552, "64k"},
        {69632, "64k"}, {69633, "128k"}, {262177, "256k"}, {1048576, "1m"}, {4194304, "4m"},
    };
    make(&defaults);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        cr_expect_str_eq(plan.label[bucket_of(rows[i].request)], rows[i].label, "%zu", rows[i].request);
    }
}

Test(bucket, map_agrees_with_the_rule_for_every_request)
{
    make(&defaults);
    for (size_t request = plan.minimum; request <= plan.maximum; request++) {
        expect_by_rule(request, &defaults);
    }
}

/*
 * Two requests that differ by one byte can belong to different buckets only at a multiple of a page. So this function
 * tests each multiple, and the sizes one byte below and above it: their buckets must be those that the function `rule`
 * gives.
 */
static void expect_edges_by_rule(const struct bucket_settings *settings)
{
    make(settings);
    expect_by_rule(settings->minimum, settings);
    expect_by_rule(settings->maximum, settings);
    for (size_t edge = 4096; edge <= settings->maximum; edge += 4096) {
        for (size_t request = edge - 1; request <= edge + 1; request++) {
            if (request >= settings->minimum && request <= settings->maximum) {
                expect_by_rule(request, settings);
            }
        }
    }
}

Test(bucket, odd_settings_follow_the_rule)
{
    static const size_t minima[] = {1, 100, 4095, 4096, 4097, 5000, 8192, 8193, 16385, 100000};
    static const size_t maxima[] = {100000, 131072, 131073, 135168, 999999, 1 << 20, (1 << 20) + 4096};
    static const size_t headrooms[] = {0, 1, 4096, 4097, 20000, 1 << 20};
    static const size_t pages[] = {4096, 16384, 65536};
    static const size_t larges[] = {4096, 65536, 85000, 1 << 30};
    for (size_t i = 0; i < sizeof minima / sizeof minima[0]; i++) {
        for (size_t j = 0; j < sizeof maxima / sizeof maxima[0]; j++) {
            for (size_t k = 0; k < sizeof headrooms / sizeof headrooms[0]; k++) {
                for (size_t l = 0; l < sizeof pages / sizeof pages[0]; l++) {
                    struct bucket_settings settings = {.minimum = minima[i],
                                                       .maximum = maxima[j],
                                                       .large = larges[(i + j + k) % 4],
                                                       .headroom = headrooms[k],
                                                       .page = pages[l]};
                    expect_edges_by_rule(&settings);
                }
            }
        }
    }
}

Test(bucket, widest_settings_fit_the_limits)
{
    struct bucket_settings settings = {
        .minimum = 1, .maximum = BUCKET_REQUEST_LIMIT, .large = 85000, .headroom = 0, .page = 4096};
    expect_edges_by_rule(&settings);
    cr_assert_str_eq(plan.label[plan.count - 1], "64m");
    settings.headroom = 1 << 20;
    expect_edges_by_rule(&settings);
    settings.page = 65536;
    expect_edges_by_rule(&settings);
    cr_assert_str_eq(plan.label[0], "64k");
}

/* The last bucket ends at SOCKMALLOC_MAX, which may be any number, rounded up to whole pages. The sizes of all other
 * buckets are powers of two. */
Test(bucket, last_one_is_of_exactly_the_largest_request)
{
    static const struct {
        size_t maximum;
        const char *label;
        size_t capacity;
        const char *before;
    } rows[] = {
        {4 << 20, "4m", 4 << 20, "2m"},
        {3 << 20, "3m", 3 << 20, "2m"},
        {5000000, "5000000", 5001216, "4m"},
        {85000, "85000", 86016, "64k"},
        {70000, "70000", 73728, "64k"},
        {69633, "69633", 73728, "64k"},
        {69632, "64k", 69632, "32k"},
        {65537, "64k", 69632, "32k"},
        {65536, "64k", 65536, "32k"},
        {65535, "65535", 65536, "32k"},
        {BUCKET_REQUEST_LIMIT - 1, "67108863", BUCKET_REQUEST_LIMIT, "32m"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bucket_settings settings = defaults;
        settings.maximum = rows[i].maximum;
        make(&settings);
        unsigned last = plan.count - 1;
        cr_expect_str_eq(plan.label[last], rows[i].label);
        cr_expect_eq(plan.capacity[last], rows[i].capacity, "%s", rows[i].label);
        cr_expect_eq(plan.stride[last], rows[i].capacity, "%s", rows[i].label);
        cr_expect_str_eq(plan.label[last - 1], rows[i].before);
        cr_expect_eq(plan.capacity[last - 1], plan.size[last - 1] + 4096, "%s", rows[i].before);
        cr_expect_eq(bucket_of(rows[i].maximum), last);
        cr_expect_eq(bucket_of(plan.capacity[last - 1]), last - 1);
        cr_expect_eq(bucket_of(plan.capacity[last - 1] + 1), last);
    }
}

/* The last bucket is trained (caches hold its slots) if SOCKMALLOC_MAX is below the size from which buckets are large,
 * 85,000 bytes here. SOCKMALLOC_MAX is compared in bytes, before it is rounded to whole pages. */
Test(bucket, last_one_can_be_trained_or_large)
{
    struct bucket_settings settings = defaults;
    for (settings.maximum = 84999; settings.maximum <= 85001; settings.maximum++) {
        make(&settings);
        cr_assert_eq(plan.first_large, settings.maximum < 85000 ? plan.count : plan.count - 1);
    }
    settings.maximum = 131072;
    make(&settings);
    cr_assert_str_eq(plan.label[plan.first_large], "128k");
}

Test(bucket, no_headroom_means_plain_powers_of_two)
{
    struct bucket_settings settings = defaults;
    settings.headroom = 0;
    make(&settings);
    cr_assert_eq(bucket_of(4096), 0);
    cr_assert_eq(plan.capacity[0], 4096);
    cr_assert_str_eq(plan.label[bucket_of(4097)], "8k");
    cr_assert_str_eq(plan.label[bucket_of(16384)], "16k");
    cr_assert_str_eq(plan.label[bucket_of(16385)], "32k");
}

Test(bucket, pages_of_64_kib)
{
    struct bucket_settings settings = defaults;
    settings.page = 65536;
    make(&settings);
    cr_assert_str_eq(plan.label[0], "64k");
    cr_assert_eq(plan.capacity[0], 131072, "the headroom is rounded up to a page");
    cr_assert_eq(bucket_of(4096), 0);
    cr_assert_eq(bucket_of(131072), 0);
    cr_assert_str_eq(plan.label[bucket_of(131073)], "128k");
    cr_assert_str_eq(plan.label[plan.first_large], "128k");
}

Test(bucket, one_bucket_is_enough)
{
    struct bucket_settings settings = defaults;
    settings.minimum = settings.maximum = 20480;
    make(&settings);
    cr_assert_eq(plan.count, 1);
    cr_assert_str_eq(plan.label[0], "16k");
    cr_assert_eq(bucket_of(20480), 0);
}

Test(bucket, large_decides_by_the_buckets_size)
{
    struct bucket_settings settings = defaults;
    settings.large = 65536;
    make(&settings);
    cr_assert_str_eq(plan.label[plan.first_large], "64k");
    settings.large = 65537;
    make(&settings);
    cr_assert_str_eq(plan.label[plan.first_large], "128k");
    settings.large = 4096;
    make(&settings);
    cr_assert_eq(plan.first_large, 0, "all buckets can be large");
    settings.large = 1 << 30;
    make(&settings);
    cr_assert_eq(plan.first_large, plan.count, "there may be no large bucket");
}

/* Checks for each row if bucket_map_is_usual says that these settings lead to BUCKET_USUAL_MAP, the map from requests
 * to buckets that is stored in the library's file. If so, the map that is made from the settings must be equal to
 * BUCKET_USUAL_MAP up to the largest request. */
Test(bucket, usual_map)
{
    static const bucket_offset usual[BUCKET_GRANULES] = BUCKET_USUAL_MAP;
    static const struct {
        size_t minimum, maximum, headroom, page;
        bool is_usual;
    } rows[] = {
        {4096, 32 << 20, 4096, 4096, true},        {4096, 4 << 20, 4096, 4096, true},
        {2048, (6 << 20) + 4096, 1, 4096, true},   {8192, 1 << 20, 4096, 4096, true},
        {8193, 32 << 20, 4096, 4096, false},       {4096, 64 << 20, 4096, 4096, false},
        {4096, (32 << 20) + 1, 4096, 4096, false}, {4096, 32 << 20, 0, 4096, false},
        {4096, 32 << 20, 8192, 4096, false},       {4096, 32 << 20, 4096, 16384, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bucket_settings settings = defaults;
        settings.minimum = rows[i].minimum;
        settings.maximum = rows[i].maximum;
        settings.headroom = rows[i].headroom;
        settings.page = rows[i].page;
        bucket_plan_make(&plan, &settings, NULL);
        cr_expect_eq(bucket_map_is_usual(&plan), rows[i].is_usual, "row %zu", i);
        make(&settings);
        size_t entries = (settings.maximum + 4095) >> BUCKET_GRANULE_SHIFT;
        cr_expect(!rows[i].is_usual || memcmp(map, usual, entries * sizeof map[0]) == 0, "row %zu", i);
    }
}
