/* One setting's value: read, described and printed by its kind. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_SETTING_H
#define SOCKMALLOC_SETTING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/text.h"

enum setting_kind {
    SETTING_SIZE,   /* bytes, with k, m, g */
    SETTING_LIMIT,  /* bytes, or "none": SETTING_NONE */
    SETTING_BUDGET, /* bytes, or "auto": SETTING_NONE, which start replaces */
    SETTING_COUNT,  /* a plain number */
    SETTING_DELAY,  /* milliseconds, or "never" (also -1): SETTING_NONE */
    SETTING_SWITCH, /* 0 or 1, off or on, no or yes */
    SETTING_SIGNAL, /* a signal's name or number, 0 for off */
    SETTING_POOL,   /* a word of KIND_ROWS: its enum kind */
    SETTING_HUGE,   /* a word of HUGE_ROWS: its enum huge */
    SETTING_FORMAT, /* a word of FORMAT_ROWS: its enum format */
    SETTING_PATH    /* an absolute path, or nothing; its text is the caller's to keep */
};

#define SETTING_NONE UINT64_MAX

enum { SETTING_PATH_SIZE = 512 };

/* What a value of one setting may be. */
struct setting {
    enum setting_kind kind;
    uint64_t minimum; /* of the first five kinds */
    uint64_t maximum;
};

/* A word that a setting can be, and its help. */
struct setting_choice {
    const char *word;
    const char *help;
};

/*
 * Returns the words of choices.h that a setting of this kind chooses from, in the order of their enum. An entry without
 * a word ends them. A kind that chooses from no words has none but that entry.
 */
const struct setting_choice *setting_choices(enum setting_kind kind);

/* Reads `value`. False, with `number` untouched or meaningless, if the setting does not take it. */
bool setting_read(const struct setting *setting, const char *value, uint64_t *number);

/* Returns true if the setting takes some value that reads as `number`. Not of paths. */
bool setting_allows(const struct setting *setting, uint64_t number);

/* Says in words what the setting takes: "a size from 4k to 1m". */
void setting_describe(const struct setting *setting, struct text *text);

/* The value as a person would write it. Not of paths. */
void setting_print(enum setting_kind kind, uint64_t number, struct text *text);

#endif
