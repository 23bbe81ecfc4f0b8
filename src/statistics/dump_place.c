/* Chooses where statistics go while SOCKMALLOC_STATS names no file, by environment variables that systemd sets for a
 * unit. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "statistics/dump_place.h"

#include <string.h>

#include "base/text.h"
#include "config/message.h"

#define PLACE_FILE       "/sockmalloc.%p"
#define PLACE_OWN_FOLDER "/sockmalloc"
#define PLACE_UNITS      "/run/sockmalloc" PLACE_FILE
#define PLACE_DEFAULT    "/tmp" PLACE_FILE

enum { PLACE_RUNTIME, PLACE_UNIT, PLACE_LAST, PLACES };

static struct {
    bool stderr_is_journal;
    /* the path of the file in a folder that the environment variable RUNTIME_DIRECTORY names */
    char runtime[SETTING_PATH_SIZE + sizeof PLACE_FILE];
    /* the paths of the files to try, in their order, with %p for the process id; NULL in the entries that are left */
    const char *template[PLACES];
} place;

/* Returns true if the library's own name is the name of a folder on this path, as in /run/sockmalloc/nginx. */
static bool place_is_own(const char *path, size_t length)
{
    enum { OWN = sizeof PLACE_OWN_FOLDER - 1 };
    const char *end = path + length;
    for (; end - path >= OWN; path++) {
        if (memcmp(path, PLACE_OWN_FOLDER, OWN) == 0 && (path + OWN == end || path[OWN] == '/')) {
            return true;
        }
    }
    return false;
}

/*
 * Chooses one folder of `list`, whose folders are separated by colons, and stores the path of the file for statistics
 * in that folder. Chooses the first folder whose path has a part with the library's name (place_is_own), or else the
 * first folder. A folder without an absolute path, or with one that is too long, does not count. Returns false if no
 * folder is left.
 */
static bool place_choose(const char *list)
{
    const char *chosen = NULL;
    size_t chosen_length = 0;
    bool own = false;
    for (; list != NULL && !own; list = strchr(list, ':') != NULL ? strchr(list, ':') + 1 : NULL) {
        size_t length = strcspn(list, ":");
        bool usable = list[0] == '/' && length < SETTING_PATH_SIZE;
        own = usable && place_is_own(list, length);
        if (own || (usable && chosen == NULL)) {
            chosen = list;
            chosen_length = length;
        }
    }
    if (chosen != NULL) {
        memcpy(place.runtime, chosen, chosen_length);
        memcpy(place.runtime + chosen_length, PLACE_FILE, sizeof PLACE_FILE);
    }
    return chosen != NULL;
}

COLD void dump_place_open(option_lookup *environment)
{
    const char *journal = environment("JOURNAL_STREAM");
    const char *folders = environment("RUNTIME_DIRECTORY");
    unsigned count = 0;
    memset(&place, 0, sizeof place);
    place.stderr_is_journal = journal != NULL && message_stderr_was(journal);
    if (folders != NULL && place_choose(folders)) {
        place.template[count++] = place.runtime;
    }
    if (journal != NULL) {
        place.template[count++] = PLACE_UNITS;
    }
    place.template[count] = PLACE_DEFAULT;
}

bool dump_place_prefers_stderr(void)
{
    return place.stderr_is_journal || place.template[0] != place.runtime;
}

const char *dump_place_template(unsigned attempt)
{
    return attempt < PLACES ? place.template[attempt] : NULL;
}
