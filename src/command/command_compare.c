/* sockmalloc compare: runs a server under glibc, the other allocators and sockmalloc by turns, and compares them. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bounds.h"
#include "command/command.h"
#include "command/compare_html.h"
#include "command/compare_json.h"
#include "command/compare_measure.h"
#include "command/compare_print.h"
#include "command/compare_result.h"
#include "command/compare_wait.h"
#include "command/error.h"
#include "command/library_path.h"
#include "command/now.h"
#include "command/preload_check.h"
#include "command/printed_text.h"

enum { PORT_MAX = 65535, CLIENTS_MAX = 20000, SECONDS_MAX = 600, PATH_LENGTH_MAX = 1500, PROGRESS_WIDTH = 79 };

struct compare_wish {
    char **arguments;
    char **server; /* the server's command, within `arguments`; NULL until the parser has found it */
    const char *library;
    const char *only;
    const char *html;
    bool is_json;
    const char *peers[COMPARE_PEERS_MAX];
    int peer_count;
    struct compare_result result;
};

/* --- options --- */

static const char *take_number(const char *text, int most, int *number, const char *fault)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    *number = (int)LESSER(value, most);
    return errno == 0 && end != text && *end == '\0' && value >= 1 && value <= most ? NULL : fault;
}

static const char *take_seconds(const char *text, double *seconds)
{
    char *end;
    *seconds = strtod(text, &end);
    return end != text && *end == '\0' && *seconds >= 0.1 && *seconds <= SECONDS_MAX
               ? NULL
               : "--seconds takes a number from 0.1 to 600";
}

/*
 * Reads two times, in seconds after the end of the burst of load. At these times the server's memory is measured for
 * the comparison. Rounds each time to a multiple of the time between two samples.
 */
static const char *take_times(struct compare_result *result, const char *text)
{
    char *end;
    result->soon = strtod(text, &end);
    bool has_two = *end == ',';
    result->late = has_two ? strtod(end + 1, &end) : 0;
    result->soon = round(result->soon * COMPARE_STEPS_A_SECOND) / COMPARE_STEPS_A_SECOND;
    result->late = round(result->late * COMPARE_STEPS_A_SECOND) / COMPARE_STEPS_A_SECOND;
    return has_two && *end == '\0' && result->soon > 0 && result->soon < result->late &&
                   result->late <= COMPARE_LATE_MAX
               ? NULL
               : "--after takes two numbers of seconds up to 60, the lesser one first, such as 1,10";
}

static const char *take_path(const char **path, const char *text)
{
    bool is_good = text[0] == '/' && strlen(text) <= PATH_LENGTH_MAX;
    for (const char *byte = text; *byte != '\0'; byte++) {
        is_good = is_good && *byte > ' ' && *byte < 0x7f;
    }
    *path = text;
    return is_good ? NULL : "a path begins with / and has no blanks";
}

static const char *take_peer(struct compare_wish *wish, const char *text)
{
    if (wish->peer_count == COMPARE_PEERS_MAX) {
        return "there are too many peers";
    }
    wish->peers[wish->peer_count++] = text;
    return NULL;
}

static const char *take_server(struct compare_wish *wish, const char *argument)
{
    wish->server = wish->arguments;
    while (*wish->server != argument) {
        wish->server++;
    }
    return NULL;
}

static const char *compare_take(void *input, int key, const char *argument)
{
    struct compare_wish *wish = input;
    struct compare_result *result = &wish->result;
    switch (key) {
    case 'l':
        result->load = argument;
        return NULL;
    case 's':
        return take_seconds(argument, &result->seconds);
    case 'r':
        return take_number(argument, COMPARE_ROUNDS_MAX, &result->rounds, "--rounds takes a number from 1 to 50");
    case 'p':
        result->port_is_given = true;
        return take_number(argument, PORT_MAX, &result->port, "--port takes a number from 1 to 65535");
    case 'u':
        return take_path(&result->path, argument);
    case 'w':
        return take_path(&result->slow_path, argument);
    case 'c':
        return take_number(argument, CLIENTS_MAX, &result->connections, "--connections takes a number from 1 to 20000");
    case 'C':
        return take_number(argument, CLIENTS_MAX, &result->clients, "--clients takes a number from 1 to 20000");
    case 'a':
        return take_times(result, argument);
    case 'o':
        wish->only = argument;
        return NULL;
    case 'P':
        return take_peer(wish, argument);
    case 'L':
        wish->library = argument;
        return NULL;
    case 'H':
        wish->html = argument;
        return NULL;
    case 'j':
        wish->is_json = true;
        return NULL;
    default:
        return take_server(wish, argument);
    }
}

/* --- preparation --- */

/* Returns true if the page of HTML can be written. The caller tests this before it measures, because measuring takes
 * minutes. */
static bool may_write(const char *path)
{
    char directory[PATH_MAX];
    struct stat status;
    const char *slash = strrchr(path, '/');
    int length = slash == path ? 1 : slash != NULL ? (int)(slash - path) : 1;
    snprintf(directory, sizeof directory, "%.*s", length, slash != NULL ? path : ".");
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
        errno = EISDIR;
        return false;
    }
    return access(directory, W_OK | X_OK) == 0;
}

/* Finds the allocators to compare, and adds sockmalloc as the last one. Allocates the arrays for their figures. */
static bool find_allocators(struct compare_wish *wish, struct compare_fault *fault)
{
    static struct compare_peers peers;
    struct compare_result *result = &wish->result;
    if (!compare_peers_add_glibc(&peers, fault)) {
        return false;
    }
    compare_peers_add_installed(&peers);
    for (int i = 0; i < wish->peer_count; i++) {
        if (!compare_peers_add(&peers, wish->peers[i], fault)) {
            return false;
        }
    }
    if (wish->only != NULL && !compare_peers_keep(&peers, wish->only, fault)) {
        return false;
    }
    if (peers.count == 0) {
        return compare_fail(fault, EXIT_USAGE, "--only names no allocator");
    }
    for (int i = 0; i < peers.count; i++) {
        result->allocators[i].peer = peers.peer[i];
    }
    struct compare_peer *ours = &result->allocators[peers.count].peer;
    snprintf(ours->name, sizeof ours->name, "sockmalloc");
    result->count = peers.count + 1;
    if (realpath(wish->library, ours->library) == NULL) {
        return compare_fail(fault, EXIT_REFUSED, "%s can't be read: %s", wish->library, strerror(errno));
    }
    for (int i = 0; i < result->count; i++) {
        result->allocators[i].turns = calloc((size_t)result->rounds, sizeof *result->allocators[i].turns);
        if (result->allocators[i].turns == NULL) {
            return compare_fail(fault, EXIT_FAILED, "no memory for the figures");
        }
    }
    return true;
}

static enum command_exit prepare(struct compare_wish *wish)
{
    struct compare_fault fault = {.code = EXIT_DONE};
    struct compare_result *result = &wish->result;
    result->command = wish->server;
    result->slow_path = result->slow_path != NULL ? result->slow_path : result->path;
    if (wish->server == NULL) {
        return error_report(EXIT_USAGE, "compare: no server is given; see sockmalloc compare --help");
    }
    enum command_exit code = preload_check_judge_library(wish->library);
    code = code == EXIT_DONE ? preload_check_judge(wish->server[0], wish->library) : code;
    if (code != EXIT_DONE) {
        return code;
    }
    if (wish->html != NULL && !may_write(wish->html)) {
        return error_report(EXIT_UNWRITTEN, "%s can't be written: %s", wish->html, strerror(errno));
    }
    return find_allocators(wish, &fault) ? EXIT_DONE : error_report(fault.code, "%s", fault.text);
}

/* --- the progress line --- */

struct progress {
    const struct compare_result *result;
    int turns; /* the number of turns (runs of the server under one allocator) in the whole comparison */
    int done;
    int round;
    const char *name;
    double start;
};

/*
 * Prints a line in place of the line that was printed before, if stderr is a terminal. An empty text removes the line.
 */
static void print_progress(const char *text)
{
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r\033[K%.*s", PROGRESS_WIDTH, text);
    }
}

static void show_stage(void *input, const char *what)
{
    const struct progress *progress = input;
    char line[256];
    char left[64] = "";
    if (progress->done > 0) {
        double seconds = (now_seconds() - progress->start) / progress->done * (progress->turns - progress->done);
        int rest = (int)seconds;
        snprintf(left, sizeof left, rest >= 120 ? ", %d min left" : ", %d s left", rest >= 120 ? rest / 60 : rest);
    }
    snprintf(line, sizeof line, "sockmalloc: round %d of %d, %s%s: %s", progress->round + 1, progress->result->rounds,
             progress->name, left, what);
    print_progress(line);
}

/* --- the turns --- */

/*
 * Handles the failure of a turn, which is one run of the server under one allocator. An allocator under which the
 * server does not work is left out of the comparison. The whole comparison ends instead in three cases: if the
 * allocator is sockmalloc; if no turn has worked so far, because the command that the user gave for the server is then
 * probably wrong; or if the server is not the cause of the fault (which has then another exit code than EXIT_FAILED and
 * EXIT_REFUSED). Returns EXIT_DONE if the comparison goes on, and otherwise the exit code of the fault.
 */
static enum command_exit handle_failure(struct compare_result *result, struct compare_allocator *allocator,
                                        bool is_first, const struct compare_fault *fault)
{
    print_progress("");
    bool is_ours = allocator == &result->allocators[result->count - 1];
    bool is_servers = fault->code == EXIT_FAILED || fault->code == EXIT_REFUSED;
    if (is_first || is_ours || !is_servers) {
        return error_report(fault->code, "under %s: %s", allocator->peer.name, fault->text);
    }
    error_report(EXIT_DONE, "%s is left out: %s", allocator->peer.name, fault->text);
    allocator->is_dropped = true;
    snprintf(allocator->reason, sizeof allocator->reason, "%.*s", (int)sizeof allocator->reason - 1, fault->text);
    return EXIT_DONE;
}

static enum command_exit take_turn(struct compare_result *result, struct compare_allocator *allocator,
                                   struct progress *progress)
{
    struct compare_fault fault;
    progress->name = allocator->peer.name;
    bool is_good = compare_measure(result, allocator->peer.library, &allocator->turns[allocator->rounds], show_stage,
                                   progress, &fault);
    if (compare_is_stopped()) {
        print_progress("");
        error_report(EXIT_DONE, "interrupted: every process that was started has been ended");
        compare_end_by_signal();
    }
    if (!is_good) {
        return handle_failure(result, allocator, progress->done == 0, &fault);
    }
    allocator->rounds++;
    progress->done++;
    return EXIT_DONE;
}

/* Returns true if at least one allocator besides sockmalloc is still compared. */
static bool has_peer(const struct compare_result *result)
{
    bool has_any = false;
    for (int i = 0; i + 1 < result->count; i++) {
        has_any = has_any || !result->allocators[i].is_dropped;
    }
    return has_any;
}

/*
 * Measures all turns: in each round, the server runs once under each allocator. Every second round takes the allocators
 * in reverse order, so that none of them is always the first one.
 */
static enum command_exit take_turns(struct compare_result *result)
{
    struct progress progress = {.result = result, .turns = result->rounds * result->count, .start = now_seconds()};
    for (int round = 0; round < result->rounds; round++) {
        progress.round = round;
        for (int i = 0; i < result->count; i++) {
            struct compare_allocator *allocator = &result->allocators[round % 2 == 0 ? i : result->count - 1 - i];
            enum command_exit code = allocator->is_dropped ? EXIT_DONE : take_turn(result, allocator, &progress);
            if (code != EXIT_DONE) {
                return code;
            }
        }
    }
    print_progress("");
    return has_peer(result) ? EXIT_DONE : error_report(EXIT_FAILED, "every other allocator was left out");
}

/* --- output --- */

/* Writes the output of the function `print` to the file at `path`, or to stdout if `path` is NULL. */
static enum command_exit print_by(const struct compare_result *result,
                                  void (*print)(const struct compare_result *result, FILE *file), const char *path)
{
    struct printed_text printed;
    if (!printed_text_begin(&printed)) {
        return EXIT_UNWRITTEN;
    }
    print(result, printed.file);
    return printed_text_write(&printed, path);
}

static enum command_exit print_result(const struct compare_wish *wish)
{
    enum command_exit code = print_by(&wish->result, wish->is_json ? compare_print_json : compare_print, NULL);
    enum command_exit page = wish->html != NULL ? print_by(&wish->result, compare_print_html, wish->html) : EXIT_DONE;
    return code != EXIT_DONE ? code : page;
}

enum command_exit command_compare(int count, char **arguments)
{
    static struct compare_wish wish = {
        .result = {.path = "/", .connections = 32, .clients = 300, .seconds = 5, .soon = 1, .late = 10, .rounds = 3}};
    wish.arguments = arguments;
    wish.library = library_path_own();
    command_parse(&(struct command_line){.name = "compare", .take = compare_take, .input = &wish, .stops_behind = true},
                  count, arguments);
    enum command_exit code = prepare(&wish);
    if (code != EXIT_DONE) {
        return code;
    }
    compare_wait_open();
    code = take_turns(&wish.result);
    return code == EXIT_DONE ? print_result(&wish) : code;
}
