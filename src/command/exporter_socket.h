/* Opens the sockets on which `sockmalloc exporter` listens: TCP, or a UNIX socket in the file system. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_EXPORTER_SOCKET_H
#define SOCKMALLOC_EXPORTER_SOCKET_H

#include "command/command_rows.h"
#include "command/exporter_owner.h"

/*
 * Opens a TCP socket that listens on HOST:PORT, such as 127.0.0.1:9500, [::1]:9500 or :9500 for all addresses. Prints
 * the address on stdout, with the port that the kernel chose for port 0. Otherwise prints an error and returns its
 * exit code. The caller closes *file.
 */
enum command_exit exporter_socket_tcp(const char *address, int *file);

/*
 * Opens a UNIX socket that listens at this path. Replaces a socket there on which nobody listens any more, but no other
 * file. Prints the path on stdout. Otherwise prints an error and returns its exit code.
 */
enum command_exit exporter_socket_unix(const char *path, const struct exporter_owner *owner, int *file);

/* Removes the file of the socket that exporter_socket_unix has opened, unless another file has its place. */
void exporter_socket_remove(const char *path);

#endif
