/* sockmalloc report: draws recordings, and statistics that are in JSON, as one page of HTML. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdbool.h>

#include "command/command.h"
#include "command/error.h"
#include "command/printed_text.h"
#include "command/report_file.h"
#include "command/report_page.h"
#include "command/report_source.h"

struct report_wish {
    const char *output; /* NULL for stdout */
    unsigned files;
    const char *file[REPORT_SOURCES_MAX];
};

static const char *report_take(void *input, int key, const char *argument)
{
    struct report_wish *wish = input;
    if (key == 'o') {
        wish->output = argument;
        return NULL;
    }
    if (wish->files == REPORT_SOURCES_MAX) {
        return "too many files are given";
    }
    wish->file[wish->files++] = argument;
    return NULL;
}

/* Prints an error for each file whose end is missing. Returns EXIT_DONE if all files are complete. */
static enum command_exit report_name_cut(const struct report_sources *sources)
{
    enum command_exit code = EXIT_DONE;
    for (unsigned i = 0; i < sources->count; i++) {
        const struct report_source *source = &sources->source[i];
        if (source->is_cut && (i == 0 || source[-1].path != source->path)) {
            code =
                error_report(EXIT_DAMAGED, "%s is truncated; the page shows the samples that are whole", source->path);
        }
    }
    return code;
}

static enum command_exit report_write(const struct report_wish *wish, const struct report_sources *sources)
{
    struct printed_text page;
    if (!printed_text_begin(&page)) {
        return EXIT_UNWRITTEN;
    }
    report_page_print(sources, page.file);
    return printed_text_write(&page, wish->output);
}

enum command_exit command_report(int count, char **arguments)
{
    static struct report_wish wish;
    static struct report_sources sources;
    command_parse(&(struct command_line){.name = "report", .take = report_take, .input = &wish}, count, arguments);
    if (wish.files == 0) {
        return error_report(EXIT_USAGE, "report: no file is given");
    }
    for (unsigned i = 0; i < wish.files; i++) {
        enum command_exit code = report_file_add(&sources, wish.file[i]);
        if (code != EXIT_DONE) {
            return code;
        }
    }
    enum command_exit code = report_write(&wish, &sources);
    return code == EXIT_DONE ? report_name_cut(&sources) : code;
}
