/* Prints a snapshot of the statistics in the chosen format. All formats have the same figures, because they are made
 * from the same rows of snapshot.h. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "statistics/format.h"

void format_print(enum format format, const struct snapshot *snapshot, const struct bucket_plan *plan,
                  struct text *text)
{
    static void (*const printers[FORMAT_COUNT])(const struct snapshot *, const struct bucket_plan *, struct text *) = {
        [FORMAT_TEXT] = format_print_text,
        [FORMAT_JSON] = format_print_json,
        [FORMAT_PROMETHEUS] = format_print_prometheus,
    };
    printers[format](snapshot, plan, text);
}

void format_print_end(enum format format, const struct snapshot *snapshot, struct text *text)
{
    if (format == FORMAT_TEXT) {
        format_print_text_end(snapshot, text);
    }
}

void format_print_share(uint64_t share, struct text *text)
{
    text_add(text, "%lu.", (unsigned long)(share / SNAPSHOT_WHOLE));
    for (uint64_t unit = SNAPSHOT_WHOLE / 10; unit > 0; unit /= 10) {
        text_add(text, "%c", (char)('0' + share / unit % 10));
    }
}
