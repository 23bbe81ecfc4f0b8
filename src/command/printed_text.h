/* A text that is printed to a stream, kept in memory until it is complete, and then written as a whole. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_PRINTED_TEXT_H
#define SOCKMALLOC_PRINTED_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "command/command_rows.h"

/*
 * open_memstream is not used, because glibc reports no error of its streams: if memory runs out, the text lacks a part,
 * and ferror, fflush and fclose all say that nothing is wrong.
 */
struct printed_text {
    FILE *file; /* the stream to print to */
    char *text; /* what was printed, with a NUL behind it; valid after printed_text_end */
    size_t size;
    size_t capacity; /* how many bytes `text` has space for */
};

/*
 * Opens the stream printed->file. The structure must stay at its address until printed_text_end or printed_text_write.
 * Returns false, with an error printed, if there is no memory.
 */
bool printed_text_begin(struct printed_text *printed);

/*
 * Closes the stream. Returns EXIT_DONE, with the whole text in printed->text, which the caller frees. If there was no
 * memory for the whole text, prints an error, frees the text and returns EXIT_UNWRITTEN.
 */
enum command_exit printed_text_end(struct printed_text *printed);

/*
 * Closes the stream, writes the text to the file at `path`, or to stdout if `path` is NULL, and frees the text. Returns
 * EXIT_DONE. If there was no memory for the whole text, writes nothing. Prints an error and returns EXIT_UNWRITTEN if
 * the text was not written.
 */
enum command_exit printed_text_write(struct printed_text *printed, const char *path);

#endif
