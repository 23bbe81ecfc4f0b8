/* A snapshot in words: the same figures in each format, from the same rows. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "format.h"

#include "report.h"

void format_print(enum format format, const struct snapshot *snapshot,
                  const struct bucket_plan *plan, struct text *text)
{
    static void (*const printers[FORMAT_COUNT])(const struct snapshot *, const struct bucket_plan *,
                                                struct text *) = {
        [FORMAT_TEXT] = report_print,
        [FORMAT_JSON] = format_print_json,
        [FORMAT_PROMETHEUS] = format_print_prometheus,
    };
    printers[format](snapshot, plan, text);
}

void format_print_end(enum format format, const struct snapshot *snapshot, struct text *text)
{
    if (format == FORMAT_TEXT) {
        report_print_end(snapshot, text);
    }
}
