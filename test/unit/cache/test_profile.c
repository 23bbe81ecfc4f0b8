/* Tests of cache/profile_text.c, the text of a profile: a profile that was written can be read, and any other text is
 * refused. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cache/profile.h"
#include "support/crew.h"
#include "support/place.h"

/* POWERS_IN_RANGE is how many powers of two there are from 4 KiB to 64 MiB, the smallest and the largest size of a
 * bucket in a profile. */
enum { BYTES = 2048, POWERS_IN_RANGE = 15 };

static const struct profile example = {.count = 2, .row = {{4096, 12}, {16384, 62}}};
static const char example_text[] = "sockmalloc profile 1\n"
                                   "bucket 4096 quota 12\n"
                                   "bucket 16384 quota 62\n"
                                   "checksum f3a5056eb501c0ef\n";

static char path[PLACE_PATH_SIZE];

static void profile_place_open(void)
{
    place_open();
    strcpy(path, place_path("profile"));
}

static void profile_place_close(void)
{
    unlink(path);
    place_close();
}

TestSuite(profile, .init = profile_place_open, .fini = profile_place_close);

/* Overwrites the file without truncating it first. After a truncation some filesystems write the file to the disk, and
 * this test overwrites the file thousands of times. */
static void put_bytes(const char *bytes, size_t length)
{
    int file = open(path, O_WRONLY | O_CREAT, 0600);
    cr_assert_eq(write(file, bytes, length), (ssize_t)length);
    cr_assert_eq(ftruncate(file, (off_t)length), 0);
    close(file);
}

/* Returns the FNV-1a checksum, computed as its authors define it and without the code under test. */
static uint64_t fnv(const char *bytes, size_t length)
{
    uint64_t hash = 14695981039346656037UL;
    for (size_t i = 0; i < length; i++) {
        hash ^= (unsigned char)bytes[i];
        hash *= 1099511628211UL;
    }
    return hash;
}

/* Writes a text with its correct checksum to the file. */
static void put_signed(const char *bytes, size_t length)
{
    char whole[BYTES];
    memcpy(whole, bytes, length);
    int more = snprintf(whole + length, sizeof whole - length, "checksum %016lx\n", fnv(bytes, length));
    put_bytes(whole, length + (size_t)more);
}

static void expect_round_trip(const struct profile *profile)
{
    struct profile again;
    cr_assert(profile_write(path, profile));
    const char *fault = profile_read(path, &again);
    cr_assert_null(fault, "%s", fault);
    cr_assert_eq(again.count, profile->count);
    for (unsigned i = 0; i < again.count; i++) {
        cr_assert_eq(again.row[i].bucket, profile->row[i].bucket);
        cr_assert_eq(again.row[i].quota, profile->row[i].quota);
    }
}

static void expect_fault(const char *wanted)
{
    struct profile profile = example;
    const char *fault = profile_read(path, &profile);
    cr_assert_not_null(fault, "the text was accepted; expected the error: %s", wanted);
    cr_assert_str_eq(fault, wanted);
    cr_assert_eq(profile.count, 0U);
}

Test(profile, checksum_is_the_published_one)
{
    cr_assert_eq(fnv("", 0), 0xcbf29ce484222325UL);
    cr_assert_eq(fnv("a", 1), 0xaf63dc4c8601ec8cUL);
    cr_assert_eq(fnv("foobar", 6), 0x85944171f73967e8UL);
}

Test(profile, writes_the_text_of_the_header)
{
    char text[BYTES];
    cr_assert(profile_write(path, &example));
    place_read(path, text, sizeof text);
    cr_assert_str_eq(text, example_text);
}

Test(profile, reads_what_it_writes)
{
    struct profile profile = {.count = 0};
    uint64_t state = 7;
    expect_round_trip(&profile);
    expect_round_trip(&example);
    for (unsigned round = 0; round < 100; round++) {
        profile.count = 0;
        for (unsigned bucket = 0; bucket < POWERS_IN_RANGE; bucket++) {
            if (crew_random(&state) % 2 == 0) {
                profile.row[profile.count++] = (struct profile_row){4096UL << bucket, crew_random(&state) & 0xfffff};
            }
        }
        expect_round_trip(&profile);
    }
    /* the longest profile that is possible */
    for (profile.count = 0; profile.count < POWERS_IN_RANGE; profile.count++) {
        profile.row[profile.count] = (struct profile_row){4096UL << profile.count, PROFILE_QUOTA_LIMIT};
    }
    expect_round_trip(&profile);
}

Test(profile, writes_only_what_it_can_read)
{
    static const struct profile bad[] = {
        {.count = 1, .row = {{2048, 1}}},
        {.count = 1, .row = {{4095, 1}}},
        {.count = 2, .row = {{12288, 1}, {16384, 1}}},
        {.count = 3, .row = {{4096, 1}, {4097, 1}, {8192, 1}}},
        {.count = 1, .row = {{128 << 20, 1}}},
        {.count = 1, .row = {{1UL << 32, 1}}},
        {.count = 1, .row = {{4096, PROFILE_QUOTA_LIMIT + 1}}},
        {.count = 2, .row = {{4096, 1}, {4096, 1}}},
        {.count = 2, .row = {{8192, 1}, {4096, 1}}},
        {.count = BUCKET_LIMIT, .row = {{4096, 1}}},
        {.count = UINT32_MAX, .row = {{4096, 1}, {8192, 1}}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_expect_not(profile_write(path, &bad[i]), "number %zu", i);
        cr_expect_neq(access(path, F_OK), 0, "number %zu", i);
    }
}

Test(profile, refuses_a_text_cut_anywhere)
{
    for (size_t length = 0; length < sizeof example_text - 1; length++) {
        struct profile profile = example;
        put_bytes(example_text, length);
        const char *fault = profile_read(path, &profile);
        cr_assert(fault != NULL && fault[0] != '\0', "%zu bytes were read", length);
        cr_assert_eq(profile.count, 0U);
    }
    put_bytes("", 0);
    expect_fault("empty");
    put_bytes(example_text, sizeof example_text - 2);
    expect_fault("no checksum at its end");
}

/* A profile in which any one byte is replaced by any other value is refused. */
Test(profile, refuses_a_text_with_any_byte_changed)
{
    put_bytes(example_text, sizeof example_text - 1);
    int file = open(path, O_WRONLY);
    for (off_t at = 0; at < (off_t)sizeof example_text - 1; at++) {
        for (unsigned value = 0; value < 256; value++) {
            struct profile profile = example;
            cr_assert_eq(pwrite(file, &(char){(char)value}, 1, at), 1);
            const char *fault = profile_read(path, &profile);
            bool same = (char)value == example_text[at];
            cr_assert_eq(fault == NULL, same, "byte %ld as %u: %s", (long)at, value, fault);
            cr_assert_eq(profile.count, same ? example.count : 0);
        }
        cr_assert_eq(pwrite(file, &example_text[at], 1, at), 1);
    }
    close(file);
}

/*
 * The last bucket ends at SOCKMALLOC_MAX, which may be any number. If SOCKMALLOC_MAX is below SOCKMALLOC_LARGE, caches
 * hold slots of the last bucket, and the profile has a row with its size and quota. So the last row of a profile may
 * have any size.
 */
Test(profile, last_row_may_be_of_any_size)
{
    static const size_t sizes[] = {4097, 12288, 70000, 84999, 5000000, (64 << 20) - 1};
    struct profile profile;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        profile.count = 0;
        for (size_t power = 4096; power < sizes[i]; power *= 2) {
            profile.row[profile.count++] = (struct profile_row){power, PROFILE_QUOTA_LIMIT};
        }
        profile.row[profile.count++] = (struct profile_row){sizes[i], 62};
        expect_round_trip(&profile);
    }
}

/* Replaces each byte before the checksum's line, which has 26 bytes, by each other value, and corrects the checksum. If
 * the changed text is accepted as a profile, writing that profile must give the changed text again. */
Test(profile, reads_no_text_in_two_ways)
{
    enum { LENGTH = sizeof example_text - 1 - 26 };
    unsigned read = 0;
    for (size_t at = 0; at < LENGTH; at++) {
        for (unsigned value = 0; value < 256; value++) {
            char text[BYTES];
            char body[LENGTH + 1] = {0};
            struct profile profile;
            memcpy(body, example_text, LENGTH);
            body[at] = (char)value;
            put_signed(body, LENGTH);
            const char *fault = profile_read(path, &profile);
            if (fault != NULL) {
                cr_assert_str_not_empty(fault);
                continue;
            }
            cr_assert(profile_write(path, &profile));
            place_read(path, text, sizeof text);
            cr_assert_eq(memcmp(text, body, LENGTH), 0, "read: %s\nwritten: %s", body, text);
            read++;
        }
    }
    /*
     * How many texts are accepted: for each of the LENGTH bytes, one of the values tried is the byte's own, and leaves
     * the text as it was. Four digits of a quota and five digits of the last bucket can each be replaced by nine other
     * digits. Three of these changed texts are refused, because a number in them begins with 0.
     */
    cr_assert_eq(read, LENGTH + (4 + 5) * 9 - 3);
}

#define TITLE "sockmalloc profile 1\n"
#define ROW   "bucket 4096 quota 12\n"

Test(profile, error_names_the_fault)
{
    static const char none[] = "a line that no profile has";
    static const char *const bodies[][2] = {
        {"", "not a profile at all"},
        {"sockmalloc profile", "not a profile at all"},
        {"sockmalloc profile 0\n", "of another version"},
        {"sockmalloc profile 2\n" ROW, "of another version"},
        {"sockmalloc profile 01\n" ROW, "of another version"},
        {"sockmalloc profile 1\r\n" ROW, "of another version"},
        {"sockmalloc profile 1", "of another version"},
        {TITLE ROW ROW, "buckets out of order"},
        {TITLE "bucket 8192 quota 1\n" ROW, "buckets out of order"},
        {TITLE "bucket 0 quota 1\n", "a bucket out of range"},
        {TITLE "bucket 4095 quota 1\n", "a bucket out of range"},
        {TITLE "bucket 67108865 quota 1\n", "a bucket out of range"},
        {TITLE "bucket 12288 quota 1\nbucket 16384 quota 1\n", "buckets out of order"},
        {TITLE "bucket 12288 quota 1\nbucket 12289 quota 1\n", "buckets out of order"},
        {TITLE "bucket 134217728 quota 1\n", "a bucket out of range"},
        /* 2^32 + 4096, 2^64 + 4096 and larger numbers must be refused, and not be read as 4096 */
        {TITLE "bucket 4294971392 quota 1\n", "a bucket out of range"},
        {TITLE "bucket 18446744073709555712 quota 1\n", "a bucket out of range"},
        {TITLE "bucket 99999999999999999999999999999999999999 quota 1\n", "a bucket out of range"},
        {TITLE "bucket 4096 quota 1048577\n", "a quota out of range"},
        {TITLE "bucket 4096 quota 4294967297\n", "a quota out of range"},
        {TITLE "bucket 4096 quota 18446744073709551617\n", "a quota out of range"},
        {TITLE "bucket 4096 quota 01\n", none},
        {TITLE "bucket 04096 quota 1\n", none},
        {TITLE "bucket 4096 quota -1\n", none},
        {TITLE "bucket 4096 quota +1\n", none},
        {TITLE "bucket 4k quota 1\n", none},
        {TITLE "bucket 0x1000 quota 1\n", none},
        {TITLE "bucket  quota 1\n", none},
        {TITLE "bucket 4096 quota \n", none},
        {TITLE "bucket 4096 quota 1 \n", none},
        {TITLE "bucket 4096  quota 1\n", none},
        {TITLE " bucket 4096 quota 1\n", none},
        {TITLE "bucket 4096 quota 1\r\n", none},
        {TITLE "bucket 4096 quota 1", none},
        {TITLE "bucket 4096\n", none},
        {TITLE "quota 1 bucket 4096\n", none},
        {TITLE ROW "\n", none},
        {TITLE "\n" ROW, none},
        {TITLE ROW "# a note\n", none},
        {TITLE ROW "checksum 0000000000000000\n", none},
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        put_signed(bodies[i][0], strlen(bodies[i][0]));
        expect_fault(bodies[i][1]);
    }
}

Test(profile, checksum_must_be_last_and_exact)
{
#define BODY TITLE ROW "bucket 16384 quota 62\n"
    static const char *const texts[][2] = {
        {TITLE, "no checksum at its end"},
        {BODY, "no checksum at its end"},
        {BODY "checksum \n", "no checksum at its end"},
        {BODY "checksum f3a5056eb501c0ef\n\n", "no checksum at its end"},
        {BODY "checksum F3A5056EB501C0EF\n", "checksum does not match"},
        {BODY "checksum 0000000000000000\n", "checksum does not match"},
        {TITLE "checksum \n", "checksum does not match"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        put_bytes(texts[i][0], strlen(texts[i][0]));
        expect_fault(texts[i][1]);
    }
    /* The text of a profile does not end at a NUL byte: the bytes behind it count too, so the profile is refused. */
    put_bytes(example_text, sizeof example_text);
    expect_fault("no checksum at its end");
}

/* A text of 512 bytes or more is refused, because no profile is so long. A sparse file of 1 TiB must be refused
 * too, without being read as a whole. The checksum's line has 26 bytes. */
Test(profile, refuses_a_text_too_long)
{
    char body[BYTES];
    strcpy(body, TITLE);
    memset(body + strlen(TITLE), 'x', sizeof body - strlen(TITLE));
    put_signed(body, 511 - 26);
    expect_fault("a line that no profile has");
    put_signed(body, 512 - 26);
    expect_fault("too long");
    put_bytes(example_text, sizeof example_text - 1);
    cr_assert_eq(truncate(path, (off_t)1 << 40), 0);
    expect_fault("too long");
}
