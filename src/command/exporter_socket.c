/* Opens the sockets on which `sockmalloc exporter` listens: TCP, or a UNIX socket in the file system. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/exporter_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "command/error.h"

enum { BACKLOG = 64, HOST_SIZE = 256, PORT_MOST = 65535 };

/* The status of the socket's file that exporter_socket_unix has made. Its device and inode show later if the path still
 * has this file. */
static struct stat own_socket;

/*
 * Splits "HOST:PORT". Stores the host in `host`, and returns the port, or NULL if the text is no address. An empty host
 * means all addresses.
 */
static const char *divide(const char *address, char host[HOST_SIZE])
{
    const char *colon = strrchr(address, ':');
    if (colon == NULL) {
        return NULL;
    }
    const char *begin = address;
    size_t length = (size_t)(colon - address);
    if (length >= 2 && address[0] == '[' && colon[-1] == ']') {
        begin++;
        length -= 2;
    } else if (memchr(address, ':', length) != NULL) {
        return NULL; /* not HOST:PORT: an IPv6 address must stand in brackets, because the address itself has colons */
    }
    snprintf(host, HOST_SIZE, "%.*s", (int)length, begin);
    size_t digits = strspn(colon + 1, "0123456789");
    bool is_port = digits > 0 && digits <= 5 && colon[1 + digits] == '\0' && strtol(colon + 1, NULL, 10) <= PORT_MOST;
    return is_port && length < HOST_SIZE ? colon + 1 : NULL;
}

/* Opens a socket that listens on this address. Returns its descriptor, or -1 with errno set. */
static int listen_on(const struct addrinfo *entry)
{
    int yes = 1;
    int file = socket(entry->ai_family, entry->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, entry->ai_protocol);
    if (file >= 0 && setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
        bind(file, entry->ai_addr, entry->ai_addrlen) == 0 && listen(file, BACKLOG) == 0) {
        return file;
    }
    int error = errno;
    if (file >= 0) {
        close(file);
    }
    errno = error;
    return -1;
}

/* Prints the address and the port on which a TCP socket listens. */
static void print_tcp(int file)
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof address;
    char host[INET6_ADDRSTRLEN] = "";
    char port[8] = "";
    getsockname(file, (struct sockaddr *)&address, &size);
    getnameinfo((struct sockaddr *)&address, size, host, sizeof host, port, sizeof port,
                NI_NUMERICHOST | NI_NUMERICSERV);
    bool is_6 = address.ss_family == AF_INET6;
    printf("listening on http://%s%s%s:%s/metrics\n", is_6 ? "[" : "", host, is_6 ? "]" : "", port);
    fflush(stdout);
}

enum command_exit exporter_socket_tcp(const char *address, int *file)
{
    char host[HOST_SIZE];
    const char *port = divide(address, host);
    if (port == NULL) {
        return error_report(EXIT_USAGE, "exporter: %s is no address; give HOST:PORT, such as 127.0.0.1:9500", address);
    }
    const struct addrinfo wish = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *entry = NULL;
    int fault = getaddrinfo(host[0] != '\0' ? host : NULL, port, &wish, &entry);
    if (fault != 0) {
        return error_report(EXIT_NO_ADDRESS, "exporter: the host of %s cannot be found: %s", address,
                            fault == EAI_SYSTEM ? strerror(errno) : gai_strerror(fault));
    }
    *file = listen_on(entry);
    freeaddrinfo(entry);
    if (*file < 0) {
        return error_report(EXIT_NO_ADDRESS, "exporter: it cannot listen on %s: %s", address, strerror(errno));
    }
    print_tcp(*file);
    return EXIT_DONE;
}

/*
 * Removes the file of a socket on which no process listens. Returns false, with errno set, if the path has another
 * file: EEXIST for a file that is no socket, EADDRINUSE for a socket on which another process listens.
 */
static bool remove_dead_socket(const struct sockaddr_un *address)
{
    struct stat status;
    if (lstat(address->sun_path, &status) != 0) {
        return errno == ENOENT;
    }
    if (!S_ISSOCK(status.st_mode)) {
        errno = EEXIST;
        return false;
    }
    int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int result = file >= 0 ? connect(file, (const struct sockaddr *)address, sizeof *address) : -1;
    bool is_dead = file >= 0 && result != 0 && errno == ECONNREFUSED;
    if (file >= 0) {
        close(file);
    }
    errno = EADDRINUSE;
    return is_dead && unlink(address->sun_path) == 0;
}

/*
 * Binds a socket to a path, sets the owner of the socket's file, and begins to listen. The file has its final mode when
 * it is created, because clients can connect as soon as the socket listens. Returns false, with errno set, if that
 * fails.
 */
static bool bind_with_mode(int file, const struct sockaddr_un *address, const struct exporter_owner *owner)
{
    enum { SOCKET_MODE = 0660 };
    mode_t before = umask(0777 & ~exporter_owner_mode(owner, SOCKET_MODE));
    bool is_bound = bind(file, (const struct sockaddr *)address, sizeof *address) == 0;
    umask(before);
    if (!is_bound) {
        return false;
    }
    if (lstat(address->sun_path, &own_socket) == 0 && lchown(address->sun_path, owner->user, owner->group) == 0 &&
        listen(file, BACKLOG) == 0) {
        return true;
    }
    int error = errno;
    unlink(address->sun_path);
    errno = error;
    return false;
}

enum command_exit exporter_socket_unix(const char *path, const struct exporter_owner *owner, int *file)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path[0] == '\0' || strlen(path) >= sizeof address.sun_path) {
        return error_report(EXIT_USAGE, "exporter: the path of a socket has 1 to %zu bytes, and %s has not",
                            sizeof address.sun_path - 1, path[0] != '\0' ? path : "an empty one");
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    *file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*file < 0 || !remove_dead_socket(&address) || !bind_with_mode(*file, &address, owner)) {
        return error_report(EXIT_NO_ADDRESS, "exporter: it cannot listen on %s: %s", path, strerror(errno));
    }
    printf("listening on %s\n", path);
    fflush(stdout);
    return EXIT_DONE;
}

void exporter_socket_remove(const char *path)
{
    struct stat status;
    /* a file system may give the number of a removed socket's inode to the next file, so the type is compared too */
    if (lstat(path, &status) == 0 && S_ISSOCK(status.st_mode) && status.st_dev == own_socket.st_dev &&
        status.st_ino == own_socket.st_ino) {
        unlink(path);
    }
}
