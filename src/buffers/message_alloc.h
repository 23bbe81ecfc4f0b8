/* Returns how many bytes of a message may be used, for the malloc that serves requests from message pages. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_MESSAGE_ALLOC_H
#define SOCKMALLOC_MESSAGE_ALLOC_H

#include <stddef.h>

#include "base/attributes.h"

struct sockmalloc_message;

/* Returns how many bytes of a live message may be used: all up to the header of the next one. The process ends as in
 * sockmalloc_message_free if `message` is no live message; the line of text names `call`. */
INTERNAL size_t message_usable(const struct sockmalloc_message *messages, const char *call, const void *message);

#endif
