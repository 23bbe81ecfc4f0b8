/* Finds out if AppArmor removes LD_PRELOAD from the environment of a program that this process starts. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/apparmor.h"

#include <dirent.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { RULE_SIZE = 1024 };

/*
 * Reads the name of the profile that confines this process: "name (enforce)". Returns false if no profile is enforced.
 */
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

/* Returns true if a rule with this mode starts the program with a clean environment: it has P, C or U before an x. */
static bool apparmor_mode_scrubs(const char *mode)
{
    const char *execution = strpbrk(mode, "PCU");
    return execution != NULL && strchr(execution, 'x') != NULL;
}

/*
 * Returns true if the line is a rule for the program that cleans the environment, such as "/usr/sbin/thing Px ->
 * other,". The wildcards of AppArmor are matched by the shell's rules for wildcards, because
 * the two differ little.
 */
static bool apparmor_rule_scrubs(const char *line, const char *program)
{
    char pattern[RULE_SIZE];
    char mode[32];
    return sscanf(line, " %1023s %31[a-zA-Z]", pattern, mode) == 2 && pattern[0] == '/' &&
           fnmatch(pattern, program, 0) == 0 && apparmor_mode_scrubs(mode);
}

/* Returns true if the line begins the profile: its name before a brace, with or without the word "profile". */
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
