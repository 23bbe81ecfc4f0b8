/* The style sheets and scripts that are copied into each HTML page, so that the page needs no other file. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_PAGE_FILES_H
#define SOCKMALLOC_PAGE_FILES_H

#include <stddef.h>

struct page_file {
    const char *element; /* the HTML element that holds the content: "style" or "script" */
    /* checksum of the content, in the form that a Content-Security-Policy requires: "sha256-..." */
    const char *checksum;
    const unsigned char *content;
    size_t size;
};

/*
 * The style sheets and scripts, in their order within a page. An entry whose `element` is NULL ends the array.
 * src/command/page/embed makes this array from the files of src/command/page and third-party.
 */
extern const struct page_file page_files[];

#endif
