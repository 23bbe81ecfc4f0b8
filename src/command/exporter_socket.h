/* Opens the sockets on which `sockmalloc exporter` listens: TCP, or a UNIX socket in the file system. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_EXPORTER_SOCKET_H
#define SOCKMALLOC_EXPORTER_SOCKET_H

#include "command/command_rows.h"
#include "command/exporter_owner.h"

/*
 * Opens a TCP socket that listens on HOST:PORT, such as 127.0.0.1:9500, [::1]:9500 or :9500 for all addresses, and
 * stores its descriptor in *file. Prints the address on stdout, with the port that the kernel chose if the port is 0.
 * Returns EXIT_DONE, or prints an error and returns its exit code. The caller closes *file.
 */
enum command_exit exporter_socket_tcp(const char *address, int *file);

/*
 * Opens a UNIX socket that listens at this path, and stores its descriptor in *file. `owner` has the mode, user and
 * group of the socket's file. If the path already has a socket on which no process listens, replaces that socket. Any
 * other file at the path is an error. Prints the path on stdout. Returns EXIT_DONE, or prints an error and returns its
 * exit code. The caller closes *file.
 */
enum command_exit exporter_socket_unix(const char *path, const struct exporter_owner *owner, int *file);

/* Removes the file of the socket that exporter_socket_unix has opened, unless another file has replaced that file. */
void exporter_socket_remove(const char *path);

#endif
