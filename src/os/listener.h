/* Tells what accept would do with a descriptor: return at once, or wait for a connection. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_LISTENER_H
#define SOCKMALLOC_LISTENER_H

enum listener {
    LISTENER_RETURNS, /* accept returns at once: a connection or an error is there, or the descriptor does not block */
    LISTENER_WAITS,   /* accept waits until a connection comes */
    LISTENER_TIMED    /* accept waits for at most the socket's SO_RCVTIMEO */
};

/*
 * Returns what accept would do with the descriptor. The answer may be out of date as soon as it is given, because
 * other processes may accept from the same socket. Takes no connection and changes nothing. Price: two to four system
 * calls. Safe in any thread and in signal handlers; it is no cancellation point, and errno stays as it is. Not to be
 * called where a seccomp filter may be in force.
 */
enum listener listener_look(int file);

#endif
