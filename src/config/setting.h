/* Reads, describes and prints the value of one setting, by the kind of the setting. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SETTING_H
#define SOCKMALLOC_SETTING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/text.h"

enum setting_kind {
    SETTING_SIZE,   /* bytes, as a number that may end in k, m or g, or in KiB, MiB or GiB */
    SETTING_LIMIT,  /* bytes, or "none", which is stored as SETTING_NONE */
    SETTING_BUDGET, /* bytes, or "auto", which is stored as SETTING_NONE until start-up replaces it */
    SETTING_COUNT,  /* a plain number */
    /* a number of milliseconds; a time with a unit, such as 2s; or "never" or -1, both stored as SETTING_NONE */
    SETTING_DELAY,
    SETTING_RANGE,  /* two sizes as LOW-HIGH, stored as LOW << 32 | HIGH, or "none", which is stored as SETTING_NONE */
    SETTING_SWITCH, /* 0 or 1, off or on, no or yes, false or true */
    SETTING_SIGNAL, /* the name or number of a signal, or "off" or 0 for none */
    SETTING_POOL,   /* one of the words in KIND_ROWS, stored as enum kind */
    SETTING_HUGE,   /* one of the words in HUGE_ROWS, stored as enum huge */
    SETTING_FORMAT, /* one of the words in FORMAT_ROWS, stored as enum format */
    SETTING_PATH    /* an absolute path or nothing; setting_read does not store the path, its caller does */
};

#define SETTING_NONE UINT64_MAX

enum { SETTING_PATH_SIZE = 512 };

/* setting_range_low and setting_range_high return the two sizes of a value of the kind SETTING_RANGE. */
static inline uint64_t setting_range_low(uint64_t number)
{
    return number >> 32;
}

static inline uint64_t setting_range_high(uint64_t number)
{
    return (uint32_t)number;
}

/* The values that one setting can have: their kind, and their limits. */
struct setting {
    enum setting_kind kind;
    uint64_t minimum; /* only the kinds SETTING_SIZE to SETTING_RANGE use `minimum` and `maximum` */
    uint64_t maximum;
};

/* A word that is a value of a setting, and the word's help for the man page. */
struct setting_choice {
    const char *word;
    const char *help;
};

/*
 * Returns the words that a setting of this kind accepts, in the order of the enum whose values they stand for. After
 * the last word comes an entry whose word is NULL. If the kind has no words, that entry is the only one.
 */
const struct setting_choice *setting_choices(enum setting_kind kind);

/* Reads a text and stores its value in *number. Returns false if the setting does not accept the text; *number then has
 * no meaning. */
bool setting_read(const struct setting *setting, const char *value, uint64_t *number);

/* Returns true if `number` is what setting_read stores for some text that the setting accepts. The setting must not be
 * a path. */
bool setting_allows(const struct setting *setting, uint64_t number);

/* Prints which values the setting accepts, such as "a size from 4k to 1m". */
void setting_describe(const struct setting *setting, struct text *text);

/* Prints a value in a form that setting_read accepts. The setting must not be a path. */
void setting_print(enum setting_kind kind, uint64_t number, struct text *text);

#endif
