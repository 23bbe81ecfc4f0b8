/* The settings, one row for each environment variable. The code that reads and prints them is made from these rows. */
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
 * The columns of a row: name without SOCKMALLOC_, kind, default, minimum and maximum (0 if the kind has none), help.
 * The parser, the warnings, the output of SOCKMALLOC_VERBOSE, the options of `sockmalloc run`, the completions and the
 * man page are made from these rows.
 */
#define OPTION_ROWS(ROW)                                                                                               \
    ROW(MIN, SIZE, "4096", 1U << 11, 1U << 26, "smallest request that the pools serve, in bytes")                      \
    ROW(MAX, SIZE, "32m", 4096, 1U << 26,                                                                              \
        "largest request that the pools serve, in bytes; the last bucket has exactly this size")                       \
    ROW(LARGE, SIZE, "85000", 4096, 1U << 30,                                                                          \
        "size in bytes; a bucket of at least this size belongs to the large pool, which has no caches")                \
    ROW(HEADROOM, SIZE, "4096", 0, 1U << 20,                                                                           \
        "bytes in a slot beyond its bucket's power of two, rounded up to whole pages")                                 \
    ROW(POOL, POOL, "thread", 0, 0, "kind of the pools of buckets below SOCKMALLOC_LARGE")                             \
    ROW(TRAINING, SWITCH, "1", 0, 0,                                                                                   \
        "1 adapts the quotas of the caches to the load; 0 keeps them as they are at start-up")                         \
    ROW(CACHE, BUDGET, "auto", 0, UINT64_C(1) << 40,                                                                   \
        "bytes of free slots that all caches together may hold; auto is 16m per processor that the process may use")   \
    ROW(RETAIN, LIMIT, "none", 0, UINT64_C(1) << 40,                                                                   \
        "most bytes of free slots that keep their pages, those in caches included; any more are purged")               \
    ROW(LARGE_RETAIN, LIMIT, "none", 0, UINT64_C(1) << 40,                                                             \
        "most bytes of free slots of the large pool that keep their pages; any more are purged")                       \
    ROW(DECAY_MS, DELAY, "250", 0, 86400000,                                                                           \
        "milliseconds after which the pages of free slots that were not needed are purged; 0 purges at once")          \
    ROW(BACKGROUND, SWITCH, "0", 0, 0,                                                                                 \
        "1 starts a thread that purges pages even while the program neither allocates nor frees")                      \
    ROW(THP, HUGE, "never", 0, 0, "transparent huge pages in the pools")                                               \
    ROW(FORK_TRIM, SWITCH, "0", 0, 0,                                                                                  \
        "1 purges the pages of free slots before a fork, so that the kernel need not copy them")                       \
    ROW(PRESSURE, SWITCH, "1", 0, 0,                                                                                   \
        "1 purges pages of free slots when a memory limit of a control group is near, or the machine lacks memory")    \
    ROW(AUTO_THREADS, COUNT, "8", 1, 1U << 15,                                                                         \
        "threads per processor from which on the pool auto works like cpu and not like thread")                        \
    ROW(FREE_LIST, COUNT, "1024", 0, 1U << 24,                                                                         \
        "free slots per bucket that keep their pages in the pool standard; any more are purged")                       \
    ROW(IN_USE, SWITCH, "0", 0, 0,                                                                                     \
        "1 lists the blocks in use after each table and at exit; only with the pool standard and the format text")     \
    ROW(PROFILE, PATH, "", 0, 0,                                                                                       \
        "absolute path of a file; quotas are read from it at start-up, and written to it at exit")                     \
    ROW(MESSAGE, RANGE, "none", 16, 1U << 11,                                                                          \
        "LOW-HIGH serves requests of these sizes from message pages, for servers of datagrams; none leaves them "      \
        "alone")                                                                                                       \
    ROW(DEEPBIND, SWITCH, "0", 0, 0,                                                                                   \
        "1 lets plug-ins be loaded with RTLD_DEEPBIND, a flag of dlopen that the library drops otherwise")             \
    ROW(DISABLE, SWITCH, "0", 0, 0, "1 turns the pools off: every request falls through to mimalloc")                  \
    ROW(STRICT, SWITCH, "0", 0, 0, "1 ends the program with exit code 78 if a setting is bad")                         \
    ROW(CONTROL, SWITCH, "0", 0, 0,                                                                                    \
        "1 lets `sockmalloc set` change some settings while the program runs; costs what SOCKMALLOC_RETAIN costs")     \
    ROW(VERBOSE, SWITCH, "0", 0, 0, "1 prints the settings in force at start-up")                                      \
    ROW(SIGNAL, SIGNAL, "SIGUSR1", 0, 0, "name or number of the signal that makes the process write its statistics")   \
    ROW(STATS, PATH, "", 0, 0, "absolute path of a file that statistics are written to; %p becomes the process id")    \
    ROW(STATS_AT_EXIT, SWITCH, "0", 0, 0, "1 writes statistics when the program ends")                                 \
    ROW(FORMAT, FORMAT, "text", 0, 0, "format of statistics")                                                          \
    ROW(SAMPLE_SMALL, SWITCH, "0", 0, 0, "1 counts requests below 2048 bytes, too, in the histogram of request sizes")

/*
 * Settings that earlier versions had: one row each, with the name without SOCKMALLOC_ and what to use instead. If such
 * a variable is set, it has no effect, and a warning says what to use.
 */
#define OPTION_REMOVED_ROWS(ROW) ROW(STATS_INTERVAL, "sockmalloc stat --interval, or sockmalloc record")

/*
 * Values that earlier versions accepted for a setting that still exists: one row each, with the setting's name without
 * SOCKMALLOC_, the value, and what to use instead. The setting then has its default, and a warning says what to use.
 */
#define OPTION_REMOVED_WORD_ROWS(ROW) ROW(THP, "auto", "SOCKMALLOC_THP=never, which does what auto did")

/*
 * Settings that `sockmalloc set` changes while a program runs, if SOCKMALLOC_CONTROL=1 was set when the program
 * started. The columns of a row: name without SOCKMALLOC_, and how the change takes effect.
 */
#define OPTION_LIVE_ROWS(ROW)                                                                                          \
    ROW(CACHE, "if the caches hold more, each thread halves its quotas at its next frees until they fit")              \
    ROW(RETAIN, "what exceeds the new limit is purged by the next calls of malloc and free")                           \
    ROW(LARGE_RETAIN, "what exceeds the new limit is purged by the next calls of malloc and free")                     \
    ROW(DECAY_MS, "holds for slots that are free already, too, from the next frees on")

/* A variable whose value is a list of settings. It is no setting itself, and is read by config/sources.c. */
#define OPTION_CONF "SOCKMALLOC_CONF"

enum option {
#define OPTION_NAME(name, kind, initial, minimum, maximum, help) OPTION_##name,
    OPTION_ROWS(OPTION_NAME)
#undef OPTION_NAME
        OPTION_COUNT
};

/* OPTION_ECHO_SIZE is the largest number of bytes that option_print_all prints. Each byte of a path may be printed as
 * four characters, such as \x1b. */
enum { OPTION_PATHS = 2, OPTION_ECHO_SIZE = OPTION_PATHS * 4 * SETTING_PATH_SIZE + OPTION_COUNT * 48 };

/* Where the value of a setting comes from: the default, the environment, SOCKMALLOC_CONF or /etc/sockmalloc.conf.
 * option_read stores OPTION_GIVEN for each value that its `lookup` has found and the setting accepts. */
enum option_source { OPTION_DEFAULT, OPTION_GIVEN, OPTION_FROM_CONF, OPTION_FROM_FILE, OPTION_SOURCES };

/*
 * The settings in force. One thread fills them at start-up; afterwards their memory is read-only. Then only
 * option_change changes them, and route.c changes `sampled_until`. Both make the memory writable for a moment. They
 * write one aligned word at a time, so that a thread that reads meanwhile gets the old value or the new one.
 */
struct option_set {
    /* the value of each setting as setting_read stores it; for a path, the offset of its text in `path` */
    _Alignas(FROZEN_PAGE) uint64_t number[OPTION_COUNT];
    /* the texts of the paths; they follow an empty text, which is the text of a path that is not set */
    char path[1 + OPTION_PATHS * SETTING_PATH_SIZE];
    uint64_t path_end;
    bool faulty; /* true if there was a warning, because the name or the value of a setting was wrong */
    /* where each value comes from, as an enum option_source. If a value does not come from the environment,
     * sources_note replaces the OPTION_GIVEN that option_read has stored by OPTION_FROM_CONF or OPTION_FROM_FILE */
    uint8_t source[OPTION_COUNT];
    uint64_t changed; /* bit N is 1 if setting N of enum option was changed while the program ran */
    uint64_t changes; /* how many times option_change was called */
    /* small requests are sampled until this time of clock_now, because a command has requested the sampling; 0 if no
     * command has */
    uint64_t sampled_until;
};

extern INTERNAL struct option_set options;

/* A function that returns the value of an environment variable: secure_getenv, or a function of a test. */
typedef char *option_lookup(const char *name);

/*
 * Reads all settings. If the value of a setting is refused, or contradicts another setting, the setting has its
 * default, and there is a warning. Also warns of each variable in `environment` whose name begins with SOCKMALLOC_ and
 * is neither in OPTION_ROWS nor OPTION_CONF. If `environment` is NULL, such variables are not looked for.
 */
void option_read(struct option_set *set, option_lookup *lookup, char *const *environment);

/*
 * Returns the value that option_read would store for one setting, and prints no warning if the value is bad. It is
 * called for settings that are needed before option_read runs. The setting must not be a path.
 */
uint64_t option_peek(enum option option, option_lookup *lookup);

/*
 * Returns true if the set holds only values that option_read could have stored. It checks a set that was read from
 * another process or from a file.
 */
bool option_set_makes_sense(const struct option_set *set);

/* Returns the value of a setting that is a path, as a text. The text is empty if the setting is not set. */
static inline const char *option_path(const struct option_set *set, enum option option)
{
    return set->path + set->number[option];
}

/* Returns true if the setting may change while a program runs: if it is one of OPTION_LIVE_ROWS. */
bool option_is_live(enum option option);

/* Returns true if the setting takes a value that setting_read stores as `number`. The setting must not be a path. */
bool option_allows(enum option option, uint64_t number);

/* option_read_value does what setting_read does, and option_describe what setting_describe does, for the setting
 * `option`. */
bool option_read_value(enum option option, const char *value, uint64_t *number);
void option_describe(enum option option, struct text *text);

/*
 * Changes a setting in `options` after start-up, and notes that it was changed. Returns false, with nothing changed, if
 * frozen_open cannot make the settings writable. The caller applies the new value. The function is safe in signal
 * handlers.
 */
bool option_change(enum option option, uint64_t number);

/* Returns true if the setting was changed while the program ran. */
static inline bool option_was_changed(const struct option_set *set, enum option option)
{
    return (set->changed >> option & 1) != 0;
}

/* Stores a path as option_read does. `path` must be a value that setting_read accepts. */
void option_set_path(struct option_set *set, enum option option, const char *path);

/* Returns the environment variable of the setting that is probably meant, or NULL. `name` is a mistyped name without
 * SOCKMALLOC_, such as "POOOL" or "pol". */
const char *option_similar(const char *name);

/* option_variable returns the environment variable of a setting, and option_help its help. option_print prints the
 * setting's value in force, in a form that setting_read accepts. */
const char *option_variable(enum option option);
const char *option_help(enum option option);
void option_print(const struct option_set *set, enum option option, struct text *text);

/* Prints the variables of the settings that were changed while the program ran, with `quote` around each and `between`
 * between two. */
void option_print_changed(const struct option_set *set, const char *quote, const char *between, struct text *text);

/*
 * Prints all settings as "NAME=value NAME=value ...", in at most OPTION_ECHO_SIZE bytes. In paths, bytes that are not
 * printable are written as escapes, as text_add_shown does.
 */
void option_print_all(const struct option_set *set, struct text *text);

#endif
