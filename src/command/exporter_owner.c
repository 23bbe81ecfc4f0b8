/* Parses the mode and the owner that the command line gives for the files which `sockmalloc exporter` creates. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/exporter_owner.h"

#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *exporter_owner_read_mode(struct exporter_owner *owner, const char *text)
{
    enum { MODE_DIGITS = 4, MODE_MOST = 0777 };
    size_t length = strlen(text);
    if (length == 0 || length > MODE_DIGITS || text[strspn(text, "01234567")] != '\0' ||
        strtoul(text, NULL, 8) > MODE_MOST) {
        return "a mode is an octal number up to 0777, such as 0644";
    }
    owner->has_mode = true;
    owner->mode = (mode_t)strtoul(text, NULL, 8);
    return NULL;
}

/*
 * Reads a user or group id in decimal digits. Returns false if the text is not such a number; the text may then be a
 * name.
 */
static bool exporter_owner_number(const char *text, unsigned *number)
{
    unsigned long long value = strtoull(text, NULL, 10);
    *number = (unsigned)value;
    return text[0] != '\0' && text[strspn(text, "0123456789")] == '\0' && value < UINT32_MAX;
}

const char *exporter_owner_read(struct exporter_owner *owner, const char *text)
{
    static char fault[128];
    char name[64];
    const char *group = strchr(text, ':');
    size_t length = group != NULL ? (size_t)(group - text) : strlen(text);
    snprintf(name, sizeof name, "%.*s", (int)length, text);
    const struct passwd *user = length < sizeof name ? getpwnam(name) : NULL;
    if (user != NULL) {
        owner->user = user->pw_uid;
    } else if (!exporter_owner_number(name, &owner->user)) {
        snprintf(fault, sizeof fault, "there is no user %s", name);
        return fault;
    }
    if (group == NULL) {
        return NULL;
    }
    const struct group *entry = getgrnam(group + 1);
    if (entry != NULL) {
        owner->group = entry->gr_gid;
    } else if (!exporter_owner_number(group + 1, &owner->group)) {
        snprintf(fault, sizeof fault, "there is no group %.64s", group + 1);
        return fault;
    }
    return NULL;
}

mode_t exporter_owner_mode(const struct exporter_owner *owner, mode_t initial)
{
    return owner->has_mode ? owner->mode : initial;
}
