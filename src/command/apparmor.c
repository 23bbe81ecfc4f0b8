/* Whether AppArmor takes LD_PRELOAD away from a program that this process starts. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/apparmor.h"

#include <dirent.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { RULE_SIZE = 1024 };

/* The name of the profile that is enforced on us: "name (enforce)". */
static bool apparmor_name(const char *root, char profile[APPARMOR_NAME_SIZE])
{
    char path[PATH_MAX];
    char mode[16] = "";
    snprintf(path, sizeof path, "%s/proc/self/attr/current", root);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    int read = fscanf(file, "%127s (%15[a-z])", profile, mode);
    fclose(file);
    return read == 2 && strcmp(mode, "enforce") == 0;
}

/* Whether a rule's mode has the program executed in a capital way: one of P, C and U before an x.
 */
static bool apparmor_mode_scrubs(const char *mode)
{
    const char *execution = strpbrk(mode, "PCU");
    return execution != NULL && strchr(execution, 'x') != NULL;
}

/* A rule: "/usr/sbin/thing Px -> other,"; the pattern's stars are the shell's, near enough. */
static bool apparmor_rule_scrubs(const char *line, const char *program)
{
    char pattern[RULE_SIZE];
    char mode[32];
    return sscanf(line, " %1023s %31[a-zA-Z]", pattern, mode) == 2 && pattern[0] == '/' &&
           fnmatch(pattern, program, 0) == 0 && apparmor_mode_scrubs(mode);
}

/* A profile begins where its name stands before a brace, with or without the word. */
static bool apparmor_begins(const char *line, const char *profile)
{
    char first[RULE_SIZE] = "";
    char second[RULE_SIZE] = "";
    sscanf(line, " %1023s %1023s", first, second);
    const char *name = strcmp(first, "profile") == 0 ? second : first;
    return strcmp(name, profile) == 0 && strchr(line, '{') != NULL;
}

static bool apparmor_file_scrubs(const char *path, const char *profile, const char *program)
{
    char line[RULE_SIZE];
    bool inside = false;
    bool scrubs = false;
    FILE *file = fopen(path, "re");
    while (file != NULL && !scrubs && fgets(line, sizeof line, file) != NULL) {
        inside = (inside && line[0] != '}') || apparmor_begins(line, profile);
        scrubs = inside && apparmor_rule_scrubs(line, program);
    }
    if (file != NULL) {
        fclose(file);
    }
    return scrubs;
}

bool apparmor_scrubs(const char *root, const char *program, char profile[APPARMOR_NAME_SIZE])
{
    char path[PATH_MAX];
    bool scrubs = false;
    snprintf(path, sizeof path, "%s/etc/apparmor.d", root);
    DIR *directory = apparmor_name(root, profile) ? opendir(path) : NULL;
    const struct dirent *entry;
    while (directory != NULL && !scrubs && (entry = readdir(directory)) != NULL) {
        int size = snprintf(path, sizeof path, "%s/etc/apparmor.d/%s", root, entry->d_name);
        scrubs = size < PATH_MAX && apparmor_file_scrubs(path, profile, program);
    }
    if (directory != NULL) {
        closedir(directory);
    }
    return scrubs;
}
