/* Writes figures and names in columns, as the tables of the command show them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/shown.h"

#include <stddef.h>

#include "base/bounds.h"
#include "statistics/snapshot.h"

void shown_mebibytes(uint64_t bytes, int width, struct text *text)
{
    if (bytes == SNAPSHOT_UNKNOWN) {
        text_add(text, "%*s", width, "-");
        return;
    }
    uint64_t tenths = (uint64_t)(((unsigned __int128)bytes * 10 + (1 << 19)) >> 20);
    text_add(text, "%*lu.%lu", GREATER(width - 2, 0), (unsigned long)(tenths / 10), (unsigned long)(tenths % 10));
}

void shown_name(const char *name, int width, struct text *text)
{
    char shown[512];
    struct text cut = text_begin(shown, sizeof shown);
    text_add_shown(&cut, name[0] != '\0' ? name : "-");
    shown[LESSER(cut.used, (size_t)width)] = '\0';
    text_add(text, "%-*s", width, shown);
}
