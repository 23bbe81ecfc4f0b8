/* Tells how many bytes of a message may be used. The library needs this number when message pages serve small requests
 * of malloc. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_MESSAGE_ALLOC_H
#define SOCKMALLOC_MESSAGE_ALLOC_H

#include <stddef.h>

#include "base/attributes.h"

struct sockmalloc_message;

/*
 * Returns how many bytes of a live message may be used: all bytes up to the header of the next message. Ends the
 * process if no live message begins at `message`; the line that it prints names `call`, the function that the program
 * has called.
 */
INTERNAL size_t message_usable(const struct sockmalloc_message *messages, const char *call, const void *message);

#endif
