/* Tests of cache/training_profile.c: which quotas are read from the profile at start, and which are written to it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cache/profile.h"
#include "pool/pool.h"
#include "statistics/dump.h"
#include "support/capture.h"
#include "support/crew.h"
#include "support/house.h"
#include "support/place.h"
#include "support/quotas.h"

enum { UNTOUCHED = 11 /* a first quota that training_recall has not changed */ };

static char path[PLACE_PATH_SIZE];
static uint32_t first[BUCKET_LIMIT];

static void lay(void)
{
    house_pools.training = (struct training_settings){.frozen = false};
    place_open();
    strcpy(path, place_path("profile"));
    cache_reach();
    for (unsigned bucket = 0; bucket < BUCKET_LIMIT; bucket++) {
        first[bucket] = UNTOUCHED;
    }
}

static void leave(void)
{
    unlink(path);
    place_close();
}

TestSuite(training_profile, .init = lay, .fini = leave);

/* Reads the profile in the file `name`. Fails the test if the library prints a message. */
static void recall_silently(const char *name)
{
    capture_begin();
    training_recall(name, &house_plan, first);
    const char *words = capture_end();
    cr_assert_str_eq(words, "");
}

static bool is_there(const char *name)
{
    return access(name, F_OK) == 0;
}

/* Returns the quota that the profile in the file has for the bucket. The file must have a valid profile. */
static uint32_t written(unsigned bucket)
{
    struct profile profile;
    const char *fault = profile_read(path, &profile);
    cr_assert_null(fault, "%s", fault);
    for (unsigned row = 0; row < profile.count; row++) {
        if (profile.row[row].bucket == house_plan.size[bucket]) {
            return profile.row[row].quota;
        }
    }
    cr_assert_fail("%s has no row", house_plan.label[bucket]);
    return 0;
}

/* --- recall --------------------------------------------------------------------------------- */

Test(training_profile, no_profile_is_configured)
{
    recall_silently("");
    cr_assert_eq(first[B16K], UNTOUCHED);
    quotas_promote(B16K);
    cr_assert(training_record());
    cr_assert_not(is_there(path));
}

Test(training_profile, no_profile_exists_yet)
{
    recall_silently(path);
    cr_assert_eq(first[B16K], UNTOUCHED);
}

Test(training_profile, quotas_are_read_by_bucket_sizes)
{
    static const struct profile stored = {.count = 6,
                                          .row = {{4096, 12},
                                                  {16384, 62},
                                                  /* this bucket needs no quota, as an earlier run has learnt */
                                                  {32768, 0},
                                                  /* this quota has more slots than a magazine can hold */
                                                  {65536, 5000},
                                                  /* this bucket belongs to the large pool, which has no quotas */
                                                  {131072, 30},
                                                  {1 << 23, 9}}}; /* this size is beyond SOCKMALLOC_MAX */
    cr_assert(profile_write(path, &stored));
    recall_silently(path);
    cr_assert_eq(first[B4K], 12U);
    cr_assert_eq(first[B8K], UNTOUCHED, "the profile has no row for this bucket");
    cr_assert_eq(first[B16K], 62U);
    cr_assert_eq(first[B32K], 0U);
    cr_assert_eq(first[B64K], MAGAZINE_SLOTS);
    for (unsigned bucket = B128K; bucket < BUCKET_LIMIT; bucket++) {
        cr_assert_eq(first[bucket], UNTOUCHED);
    }
}

/* SOCKMALLOC_MIN is 16k here, so the buckets have other numbers than by default. A row of the profile is found by its
 * bucket's size. */
Test(training_profile, rows_are_found_by_their_size)
{
    static const struct profile stored = {.count = 2, .row = {{4096, 12}, {16384, 33}}};
    static bucket_offset map[BUCKET_GRANULES];
    struct bucket_settings settings = house_defaults();
    struct bucket_plan plan;
    settings.minimum = 16384;
    bucket_plan_make(&plan, &settings, map);
    cr_assert_eq(plan.size[0], 16384);
    cr_assert(profile_write(path, &stored));
    training_recall(path, &plan, first);
    cr_assert_eq(first[0], 33U);
    cr_assert_eq(first[1], UNTOUCHED);
}

Test(training_profile, damaged_profile_is_reported_once_and_ignored)
{
    static const struct profile stored = {.count = 1, .row = {{16384, 33}}};
    char text[256];
    char expected[512];
    struct profile profile;
    cr_assert(profile_write(path, &stored));
    place_read(path, text, sizeof text);
    memcpy(strstr(text, "33"), "34", 2);
    place_write(path, text);
    snprintf(expected, sizeof expected, ": %s: this profile cannot be used: %s; starting untrained\n", path,
             profile_read(path, &profile));
    capture_begin();
    training_recall(path, &house_plan, first);
    const char *words = capture_end();
    const char *said = strstr(words, expected);
    cr_assert(said != NULL && said[strlen(expected)] == '\0', "'%s' is not: %s", expected, words);
    cr_assert_eq(strchr(words, '\n'), said + strlen(expected) - 1, "one line: %s", words);
    cr_assert_eq(first[B16K], UNTOUCHED);
    quotas_promote(B16K);
    cr_assert(training_record());
    cr_assert_eq(written(B16K), TRAINING_FIRST, "the damaged profile is replaced");
}

/* --- record --------------------------------------------------------------------------------- */

Test(training_profile, untrained_process_writes_nothing)
{
    static const struct profile stored = {.count = 1, .row = {{16384, 33}}};
    struct stat before;
    struct stat after;
    recall_silently(path);
    cr_assert(training_record());
    cr_assert_not(is_there(path));
    cr_assert(profile_write(path, &stored));
    cr_assert_eq(stat(path, &before), 0);
    house_give(house_take(B16K, 16384, NULL));
    cr_assert(training_record());
    cr_assert_eq(stat(path, &after), 0);
    cr_assert_eq(before.st_ino, after.st_ino, "the earlier process's profile stays");
    cr_assert_eq(written(B16K), 33U);
}

Test(training_profile, quotas_are_written_and_read_again)
{
    recall_silently(path);
    quotas_promote_all(2, (const unsigned[]){B4K, B16K});
    quotas_starve(B16K, TRAINING_MISSES);
    cr_assert(training_record());
    cr_assert_eq(written(B4K), TRAINING_FIRST);
    cr_assert_eq(written(B16K), 2 * TRAINING_FIRST);
    cr_assert_eq(written(B64K), 0U);
    recall_silently(path);
    cr_assert_eq(first[B4K], TRAINING_FIRST);
    cr_assert_eq(first[B16K], 2 * TRAINING_FIRST);
    cr_assert_eq(first[B64K], 0U);
    quotas_starve(B16K, TRAINING_MISSES);
    cr_assert(training_record());
    cr_assert_eq(written(B16K), 4 * TRAINING_FIRST, "the file is written each time");
}

/* In a short run only one bucket is used. The rows of the other buckets must stay in the profile as they were. */
Test(training_profile, unused_buckets_keep_their_rows)
{
    static const struct profile stored = {.count = 2, .row = {{4096, 12}, {16384, 33}}};
    struct training_settings settings = {.frozen = false};
    cr_assert(profile_write(path, &stored));
    recall_silently(path);
    memcpy(settings.first, first, sizeof first);
    training_open(&settings);
    house_give(house_take(B16K, 16384, NULL));
    quotas_starve(B16K, TRAINING_MISSES);
    cr_assert(training_record());
    cr_assert_eq(written(B4K), 12U);
    cr_assert_eq(written(B16K), MAGAZINE_SLOTS);
}

static void learn_and_end(unsigned number)
{
    (void)number;
    cache_reach();
    for (unsigned uses = 0; uses < TRAINING_PROMOTION; uses++) {
        CHECK(house_take(B32K, 32768, NULL) != NULL);
    }
}

/* Runs in the child of a fork. What a thread of the parent has learnt is written to the profile, even if that thread
 * has ended. */
static void record_in_child(void *argument)
{
    (void)argument;
    pool_atfork_child_at_once();
    CHECK(training_record());
}

Test(training_profile, quotas_outlive_thread_and_fork)
{
    recall_silently(path);
    crew_run(1, learn_and_end);
    capture_clean(record_in_child, NULL);
    cr_assert_eq(written(B32K), TRAINING_FIRST);
}

Test(training_profile, dump_writes_it_too)
{
    int nowhere = open("/dev/null", O_WRONLY);
    recall_silently(path);
    cr_assert(dump_to(nowhere));
    cr_assert_not(is_there(path), "no profile was written yet");
    quotas_promote(B8K);
    cr_assert(dump_to(nowhere));
    cr_assert_eq(written(B8K), TRAINING_FIRST);
    close(nowhere);
}

Test(training_profile, failed_write_is_reported)
{
    recall_silently(place_path("none/profile"));
    quotas_promote(B8K);
    cr_assert_not(training_record());
}

/* A process whose quotas never change learns nothing, so it must not overwrite what another process has learnt. */
Test(training_profile, frozen_process_leaves_it_alone)
{
    static const struct profile stored = {.count = 2, .row = {{4096, 12}, {16384, 33}}};
    struct training_settings frozen = {.frozen = true};
    cr_assert(profile_write(path, &stored));
    recall_silently(path);
    memcpy(frozen.first, first, sizeof first);
    training_open(&frozen);
    house_give(house_take(B16K, 16384, NULL));
    cr_assert_eq(quotas_of(B16K), 33U, "the process begins with the quotas of the profile");
    cr_assert(training_record());
    cr_assert_eq(written(B4K), 12U);
    cr_assert_eq(written(B16K), 33U);
}
