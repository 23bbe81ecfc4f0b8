/* The formats that statistics are written in: one row each. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_FORMATS_H
#define SOCKMALLOC_FORMATS_H

/* Name, word in the environment, help for the man page. */
#define FORMAT_ROWS(ROW)                                                                                               \
    ROW(TEXT, "text", "tables that a person reads")                                                                    \
    ROW(JSON, "json", "a line of JSON, as doc/statistics.schema.json describes it")                                    \
    ROW(PROMETHEUS, "prometheus", "the text exposition format of Prometheus, version 0.0.4")

enum format {
#define FORMAT_NAME(name, word, help) FORMAT_##name,
    FORMAT_ROWS(FORMAT_NAME)
#undef FORMAT_NAME
        FORMAT_COUNT
};

#endif
