/* The settings: one row a variable, and everything else about settings made from the rows. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_OPTION_H
#define SOCKMALLOC_OPTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/colour.h"
#include "base/text.h"
#include "config/setting.h"

/*
 * Columns: name without SOCKMALLOC_, kind, default, minimum and maximum (0 where the kind has
 * none), help. The parser, the echo, the warnings and the man page come from these rows.
 */
#define OPTION_ROWS(ROW)                                                                                               \
    ROW(MIN, SIZE, "4096", 1U << 11, 1U << 26, "smallest request that the pools serve")                                \
    ROW(MAX, SIZE, "4m", 4096, 1U << 26,                                                                               \
        "largest request that the pools serve; the last bucket is of exactly this size")                               \
    ROW(LARGE, SIZE, "85000", 4096, 1U << 30,                                                                          \
        "buckets of at least so many bytes are the large pool's: a lock-free stack, no caches")                        \
    ROW(HEADROOM, SIZE, "4096", 0, 1U << 20, "room in a slot beyond its bucket's power of two; raised to whole pages") \
    ROW(POOL, POOL, "thread", 0, 0, "kind of the pools below SOCKMALLOC_LARGE")                                        \
    ROW(TRAINING, SWITCH, "1", 0, 0, "0 freezes the quotas of the caches where they begin")                            \
    ROW(CACHE, BUDGET, "auto", 0, UINT64_C(1) << 40,                                                                   \
        "bytes that all caches together may hold; auto is 16m a processor")                                            \
    ROW(RETAIN, LIMIT, "none", 0, UINT64_C(1) << 40,                                                                   \
        "bytes of free memory kept, caches included; beyond them pages go back to the kernel")                         \
    ROW(LARGE_RETAIN, LIMIT, "none", 0, UINT64_C(1) << 40,                                                             \
        "the large pool's part of that; it drops nothing as long as there is room")                                    \
    ROW(DECAY_MS, DELAY, "250", 0, 86400000,                                                                           \
        "milliseconds after which the pages of what is free and not needed go back; 0 at once")                        \
    ROW(BACKGROUND, SWITCH, "0", 0, 0, "1 has a thread of its own do that while the program is silent")                \
    ROW(THP, HUGE, "never", 0, 0, "transparent huge pages in the pools")                                               \
    ROW(FORK_TRIM, SWITCH, "0", 0, 0,                                                                                  \
        "1 gives the pages of what is free back before a fork, so that the child shares less")                         \
    ROW(PRESSURE, SWITCH, "1", 0, 0,                                                                                   \
        "1 gives pages back when a control group's limit is near, or the machine waits for "                           \
        "memory")                                                                                                      \
    ROW(AUTO_THREADS, COUNT, "8", 1, 1U << 15,                                                                         \
        "threads a processor beyond which the pool auto turns from thread to cpu")                                     \
    ROW(FREE_LIST, COUNT, "1024", 0, 1U << 24,                                                                         \
        "free slots a bucket that the pool standard keeps; the pages of others go back")                               \
    ROW(IN_USE, SWITCH, "0", 0, 0, "1 lists what is in use in each dump and at exit, with the pool standard alone")    \
    ROW(PROFILE, PATH, "", 0, 0, "absolute path that trained quotas are read from at start and written to at exit")    \
    ROW(DEEPBIND, SWITCH, "0", 0, 0,                                                                                   \
        "1 leaves RTLD_DEEPBIND in the flags of dlopen, for plug-ins that fail without it")                            \
    ROW(DISABLE, SWITCH, "0", 0, 0, "1 turns the pools off: every request falls through")                              \
    ROW(STRICT, SWITCH, "0", 0, 0, "1 makes a bad setting fatal, with exit code 78")                                   \
    ROW(VERBOSE, SWITCH, "0", 0, 0, "1 says at start which configuration is in force")                                 \
    ROW(SIGNAL, SIGNAL, "SIGUSR1", 0, 0, "signal that asks for statistics: a name, a number, off")                     \
    ROW(STATS, PATH, "", 0, 0, "absolute path that statistics are appended to, %p standing for the process id")        \
    ROW(STATS_AT_EXIT, SWITCH, "0", 0, 0, "1 writes statistics when the program ends as well")                         \
    ROW(FORMAT, FORMAT, "text", 0, 0, "format of statistics")                                                          \
    ROW(SAMPLE_SMALL, SWITCH, "0", 0, 0, "1 has the sizes of requests below 2048 bytes in the statistics, too")

/*
 * Settings of earlier versions: name without SOCKMALLOC_, and what to use instead. A variable of such a name has no
 * effect but a warning, which says what to use instead.
 */
#define OPTION_REMOVED_ROWS(ROW) ROW(STATS_INTERVAL, "sockmalloc stat --interval, or sockmalloc record")

/* Words of earlier versions: name without SOCKMALLOC_ of a setting that remains, the word, and what to use instead. */
#define OPTION_REMOVED_WORD_ROWS(ROW) ROW(THP, "auto", "SOCKMALLOC_THP=never, which does as auto did")

enum option {
#define OPTION_NAME(name, kind, initial, minimum, maximum, help) OPTION_##name,
    OPTION_ROWS(OPTION_NAME)
#undef OPTION_NAME
        OPTION_COUNT
};

/* A path's bytes are shown by four characters each at most. */
enum { OPTION_PATHS = 2, OPTION_ECHO_SIZE = OPTION_PATHS * 4 * SETTING_PATH_SIZE + OPTION_COUNT * 48 };

/* Settings in force. Filled once at start, by one thread, and only read afterwards. */
struct option_set {
    _Alignas(FROZEN_PAGE) uint64_t number[OPTION_COUNT]; /* as setting_read says; of a path, where its text begins */
    char path[1 + OPTION_PATHS * SETTING_PATH_SIZE];     /* texts; an empty one comes first */
    uint64_t path_end;
    bool faulty; /* a setting was refused, and said so */
};

/* The settings in force. */
extern INTERNAL struct option_set options;

/* What is asked for the value of a variable: secure_getenv, or a test's own. */
typedef char *option_lookup(const char *name);

/*
 * Reads all rows, and warns about each variable of `environment` that starts with SOCKMALLOC_ and has no row in
 * OPTION_ROWS. A setting whose value is refused keeps its default. `environment` may be NULL: then no warning of
 * unknown and of removed variables is given.
 */
void option_read(struct option_set *set, option_lookup *lookup, char *const *environment);

/*
 * Returns what option_read would make of one row that is no path, and says nothing of a bad value.
 * For what is needed before start.
 */
uint64_t option_peek(enum option option, option_lookup *lookup);

/*
 * Returns true if the set holds only what option_read could have put there. For a set that came
 * from elsewhere: of another process, or out of a file.
 */
bool option_set_makes_sense(const struct option_set *set);

/* A path setting's text; empty when it is not set. */
static inline const char *option_path(const struct option_set *set, enum option option)
{
    return set->path + set->number[option];
}

/* Sets a path, as option_read does. The text must be one that setting_read takes. */
void option_set_path(struct option_set *set, enum option option, const char *path);

/* A row's full variable name, its help, and its value in force as a person would write it. */
const char *option_variable(enum option option);
const char *option_help(enum option option);
void option_print(const struct option_set *set, enum option option, struct text *text);

/* "NAME=value NAME=value ...": all rows, in at most OPTION_ECHO_SIZE bytes, and paths as
 * text_add_shown has them. */
void option_print_all(const struct option_set *set, struct text *text);

#endif
