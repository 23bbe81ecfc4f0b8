/* Reads from the kernel which profile of AppArmor confines a process. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/apparmor.h"

#include <stdio.h>
#include <string.h>

bool apparmor_read(const char *path, char profile[APPARMOR_NAME_SIZE])
{
    FILE *file = fopen(path, "re");
    bool is_read = file != NULL && fgets(profile, APPARMOR_NAME_SIZE, file) != NULL;
    if (file != NULL) {
        fclose(file);
    }
    char *mode = is_read ? strstr(profile, " (enforce)") : NULL;
    if (mode == NULL) {
        return false;
    }
    *mode = '\0';
    return true;
}
