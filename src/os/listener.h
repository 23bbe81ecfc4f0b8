/* Finds out what accept would do with a descriptor: return at once, or wait for a connection. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_LISTENER_H
#define SOCKMALLOC_LISTENER_H

enum listener {
    /* accept returns at once: there is a connection or an error, or the descriptor has the flag O_NONBLOCK */
    LISTENER_RETURNS,
    LISTENER_WAITS, /* accept waits until a connection comes */
    LISTENER_TIMED  /* accept waits for at most the socket's SO_RCVTIMEO */
};

/*
 * Returns what accept would do with the descriptor. The answer may be out of date as soon as the function returns,
 * because other processes may accept from the same socket. The function accepts no connection and changes nothing.
 * Price: one to four system calls. Any thread and any signal handler may call the function, which is no cancellation
 * point and keeps errno. It must not be called where a seccomp filter may be in force, because the filter might end the
 * process.
 */
enum listener listener_look(int file);

#endif
