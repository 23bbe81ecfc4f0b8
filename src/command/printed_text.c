/* A text that is printed to a stream, kept in memory until it is complete, and then written as a whole. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/printed_text.h"

#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "command/command.h"
#include "command/error.h"

/* Prints the error that there is no memory, and returns its exit code. */
static enum command_exit printed_text_fail(struct printed_text *printed)
{
    free(printed->text);
    printed->text = NULL;
    return error_report(EXIT_UNWRITTEN, "there is no memory for the output");
}

/* Adds to the text the bytes that the stream has buffered. If there is no memory, returns 0, by which the stream
 * notices the error. */
static ssize_t printed_text_add(void *cookie, const char *bytes, size_t size)
{
    struct printed_text *printed = cookie;
    if (size >= printed->capacity - printed->size) {
        size_t capacity = 2 * (printed->size + size);
        char *text = realloc(printed->text, capacity);
        if (text == NULL) {
            return 0;
        }
        printed->text = text;
        printed->capacity = capacity;
    }
    memcpy(printed->text + printed->size, bytes, size);
    printed->size += size;
    printed->text[printed->size] = '\0';
    return (ssize_t)size;
}

bool printed_text_begin(struct printed_text *printed)
{
    enum { FIRST_CAPACITY = 4096 };
    *printed = (struct printed_text){.text = calloc(1, FIRST_CAPACITY), .capacity = FIRST_CAPACITY};
    printed->file = fopencookie(printed, "w", (cookie_io_functions_t){.write = printed_text_add});
    if (printed->text != NULL && printed->file != NULL) {
        return true;
    }
    if (printed->file != NULL) {
        fclose(printed->file);
    }
    printed_text_fail(printed);
    return false;
}

enum command_exit printed_text_end(struct printed_text *printed)
{
    bool is_whole = fflush(printed->file) == 0 && ferror(printed->file) == 0;
    is_whole = fclose(printed->file) == 0 && is_whole;
    return is_whole ? EXIT_DONE : printed_text_fail(printed);
}

enum command_exit printed_text_write(struct printed_text *printed, const char *path)
{
    enum command_exit code = printed_text_end(printed);
    if (code == EXIT_DONE) {
        code = path != NULL ? command_write_file(path, printed->text, printed->size)
                            : command_write(printed->text, printed->size);
    }
    free(printed->text);
    return code;
}
