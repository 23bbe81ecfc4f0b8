/* sockmalloc exporter: serves the statistics of all processes to Prometheus, by HTTP or in a file. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/bounds.h"
#include "command/command.h"
#include "command/error.h"
#include "command/exporter_file.h"
#include "command/exporter_http.h"
#include "command/exporter_owner.h"
#include "command/exporter_print.h"
#include "command/exporter_read.h"
#include "command/exporter_socket.h"
#include "command/look.h"
#include "command/now.h"

#define DEFAULT_ADDRESS "127.0.0.1:9500"

/*
 * Reading one process may take at most this many milliseconds, because Prometheus waits 10 s for an answer by default.
 */
enum { EXPORTER_MILLISECONDS = 2000 };

struct exporter_line {
    const char *address;   /* HOST:PORT, the argument of --listen; NULL if not given */
    const char *path;      /* the argument of --unix, a socket's path; NULL if not given */
    const char *directory; /* the argument of --textfile; NULL if not given */
    /* seconds from one writing of the file of --textfile to the next; 0 if --interval was not given */
    double interval;
    bool has_owner;
    struct exporter_owner owner;
    struct exporter_wish wish;
};

static struct exporter exporter;
static struct exporter_line given = {.owner = {.user = (uid_t)-1, .group = (gid_t)-1}};

static const char *exporter_take_argument(void *input, int key, const char *argument)
{
    (void)input;
    switch (key) {
    case 'l':
        given.address = argument;
        return NULL;
    case 'u':
        given.path = argument;
        return NULL;
    case 't':
        given.directory = argument;
        return NULL;
    case 'i':
        return command_read_interval(argument, &given.interval);
    case 'm':
        return exporter_owner_read_mode(&given.owner, argument);
    case 'o':
        given.has_owner = true;
        return exporter_owner_read(&given.owner, argument);
    case 'e':
        given.wish.each = true;
        return NULL;
    case 'w':
        given.wish.wide = true;
        return NULL;
    default:
        return process_group_add_word(&exporter.group, argument);
    }
}

/* Reads all processes and makes the page with their metrics. Returns NULL if that failed; an error has then been
 * printed. */
static char *exporter_make_page(const struct exporter_wish *wish, size_t *size)
{
    if (!exporter_read(&exporter)) {
        return NULL;
    }
    char *page = exporter_print(&exporter, wish, size);
    if (page == NULL) {
        error_report(EXIT_FAILED, "exporter: there is no memory for the page");
    }
    return page;
}

/* Returns what is wrong with the combination of options, or NULL. */
static const char *exporter_check_options(void)
{
    if (given.interval > 0 && given.directory == NULL) {
        return "exporter: --interval is the time between two files of --textfile, which is not given";
    }
    if ((given.owner.has_mode || given.has_owner) && given.directory == NULL && given.path == NULL) {
        return "exporter: --mode and --owner are for the files of --textfile and --unix, which are not given";
    }
    return NULL;
}

/* Begins to answer HTTP requests on a listening socket. */
static enum command_exit exporter_serve(int file)
{
    return exporter_http_begin(file, exporter_make_page, &given.wish)
               ? EXIT_DONE
               : error_report(EXIT_NO_ADDRESS, "exporter: libmicrohttpd cannot be started: %s", strerror(errno));
}

/* Writes the file of --textfile anew. If that fails, removes the old file, because its figures are no longer true. */
static enum command_exit exporter_write_file(void)
{
    size_t size = 0;
    char *page = exporter_make_page(&given.wish, &size);
    enum command_exit code = EXIT_FAILED;
    if (page != NULL) {
        code = exporter_file_write(page, size, &given.owner);
    } else {
        exporter_file_remove();
    }
    free(page);
    return code;
}

/*
 * Writes the file of --textfile, and opens the sockets of --listen and --unix, as far as these options were given.
 * Prints an error and returns its exit code if that fails.
 */
static enum command_exit exporter_open(void)
{
    enum command_exit code = EXIT_DONE;
    int file = -1;
    if ((given.address != NULL || given.path != NULL) && !exporter_http_is_built()) {
        return error_report(EXIT_NO_ADDRESS, "exporter cannot serve HTTP, because this command was built without "
                                             "libmicrohttpd; --textfile DIRECTORY works without it");
    }
    if (given.directory != NULL) {
        code = exporter_file_open(given.directory);
        code = code == EXIT_DONE ? exporter_write_file() : code;
    }
    if (code == EXIT_DONE && given.address != NULL) {
        code = exporter_socket_tcp(given.address, &file);
        code = code == EXIT_DONE ? exporter_serve(file) : code;
    }
    if (code == EXIT_DONE && given.path != NULL) {
        code = exporter_socket_unix(given.path, &given.owner, &file);
        code = code == EXIT_DONE ? exporter_serve(file) : code;
    }
    return code;
}

/*
 * Returns how many milliseconds the loop may wait: until `due`, when the file of --textfile must be written again, or
 * less if the HTTP server has work to do earlier, but at most a minute. Returns -1 if neither limits the wait.
 */
static int exporter_patience(uint64_t due)
{
    int patience = exporter_http_patience();
    if (given.directory != NULL) {
        enum { LONGEST = 60000 };
        uint64_t now = now_milliseconds();
        uint64_t left = EXCESS(due, now);
        left = LESSER(left, LONGEST);
        patience = patience < 0 || (int)left < patience ? (int)left : patience;
    }
    return patience;
}

/* Answers requests and writes files until a signal arrives on the descriptor `signals`. */
static void exporter_loop(int signals)
{
    struct pollfd wait[1 + EXPORTER_SOCKETS] = {{.fd = signals, .events = POLLIN}};
    int descriptors[EXPORTER_SOCKETS];
    unsigned count = exporter_http_descriptors(descriptors);
    for (unsigned i = 0; i < count; i++) {
        wait[1 + i] = (struct pollfd){.fd = descriptors[i], .events = POLLIN};
    }
    uint64_t interval = (uint64_t)(given.interval * 1000);
    uint64_t due = now_milliseconds() + interval;
    while (poll(wait, 1 + count, exporter_patience(due)) >= 0 || errno == EINTR) {
        if ((wait[0].revents & POLLIN) != 0) {
            return;
        }
        exporter_http_work();
        if (given.directory != NULL && now_milliseconds() >= due) {
            /* after an error, which has been printed, the loop goes on, because a later write may succeed */
            exporter_write_file();
            due = now_milliseconds() + interval;
        }
    }
}

/* Returns a descriptor that is readable when the exporter shall end, by Ctrl-C, SIGTERM or the end of its terminal.
 * Blocks these signals for that. Ignores SIGPIPE, which comes if a client closes its connection too early. */
static int exporter_watch_signals(void)
{
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGHUP);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
}

enum command_exit command_exporter(int count, char **arguments)
{
    enum { DEFAULT_INTERVAL = 15 };
    command_parse(&(struct command_line){.name = "exporter", .take = exporter_take_argument}, count, arguments);
    const char *fault = exporter_check_options();
    if (fault != NULL) {
        return error_report(EXIT_USAGE, "%s", fault);
    }
    if (given.directory == NULL && given.path == NULL && given.address == NULL) {
        given.address = DEFAULT_ADDRESS;
    }
    given.interval = given.interval > 0 ? given.interval : DEFAULT_INTERVAL;
    int signals = exporter_watch_signals();
    look_open(EXPORTER_MILLISECONDS);
    enum command_exit code = exporter_open();
    if (code == EXIT_DONE) {
        exporter_loop(signals);
    }
    exporter_http_end();
    if (given.path != NULL) {
        exporter_socket_remove(given.path);
    }
    if (given.directory != NULL) {
        exporter_file_remove();
    }
    return code;
}
