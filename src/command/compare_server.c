/* Starts the server of a comparison, finds the port that it listens on, reads its figures from /proc, and ends it. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/compare_server.h"

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command/compare_tree.h"
#include "command/maps.h"

enum { INODES_MAX = 8192, PATH_SIZE = 300, TCP_LISTEN_STATE = 0x0A };

bool compare_server_start(struct compare_server *server, char *const *command, const char *library,
                          struct compare_fault *fault)
{
    char *variable = NULL;
    const char *others = getenv("LD_PRELOAD");
    bool alone = others == NULL || others[0] == '\0';
    server->name = command[0];
    if (asprintf(&variable, "LD_PRELOAD=%s%s%s", library, alone ? "" : ":", alone ? "" : others) < 0) {
        return compare_fail(fault, EXIT_FAILED, "no memory for the environment");
    }
    bool is_started = compare_keeper_start(&server->keeper, command, (char *[]){variable, NULL}, fault);
    free(variable);
    return is_started;
}

bool compare_server_lives(struct compare_server *server, struct compare_fault *fault)
{
    char how[COMPARE_SAID_SIZE + 64];
    compare_keeper_look(&server->keeper);
    if (!server->keeper.is_over) {
        return true;
    }
    compare_keeper_describe(&server->keeper, how, sizeof how);
    if (server->keeper.report.status == 0) {
        return compare_fail(fault, EXIT_FAILED,
                            "%s ended (%s) and left no process that could be followed; give the command of the server "
                            "itself, not one that has another program start it",
                            server->name, how);
    }
    return compare_fail(fault, EXIT_FAILED, "%s ended: %s", server->name, how);
}

void compare_server_end(struct compare_server *server)
{
    compare_keeper_end(&server->keeper);
}

/* --- sockets --- */

static bool report_forbidden(const char *what, int process, struct compare_fault *fault)
{
    return compare_fail(fault, EXIT_FORBIDDEN,
                        "the %s of process %d of the server may not be read: the server has changed its user; run the "
                        "comparison as root, or with CAP_SYS_PTRACE",
                        what, process);
}

/* Adds the inodes of the sockets that a process has open. Returns false, with the fault set, if that is forbidden. */
static bool list_sockets(int process, unsigned long *inodes, size_t *count, struct compare_fault *fault)
{
    char path[PATH_SIZE];
    char link[64];
    snprintf(path, sizeof path, "/proc/%d/fd", process);
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return errno != EACCES || report_forbidden("sockets", process, fault);
    }
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL && *count < INODES_MAX) {
        snprintf(path, sizeof path, "/proc/%d/fd/%s", process, entry->d_name);
        ssize_t length = readlink(path, link, sizeof link - 1);
        link[length > 0 ? length : 0] = '\0';
        if (sscanf(link, "socket:[%lu]", &inodes[*count]) == 1) {
            (*count)++;
        }
    }
    closedir(directory);
    return true;
}

static bool has_inode(const unsigned long *inodes, size_t count, unsigned long inode)
{
    for (size_t i = 0; i < count; i++) {
        if (inodes[i] == inode) {
            return true;
        }
    }
    return false;
}

/* Stores an address in *listener. `words` are the numbers that /proc/net/tcp or tcp6 shows in hexadecimal. */
static void make_address(const unsigned *words, bool is_v6, int port, struct compare_listener *listener)
{
    *listener = (struct compare_listener){.port = port};
    if (is_v6) {
        struct sockaddr_in6 *address = (struct sockaddr_in6 *)&listener->address;
        address->sin6_family = AF_INET6;
        address->sin6_port = htons((uint16_t)port);
        memcpy(&address->sin6_addr, words, sizeof address->sin6_addr);
        if (IN6_IS_ADDR_UNSPECIFIED(&address->sin6_addr)) {
            address->sin6_addr = in6addr_loopback;
        }
        listener->size = sizeof *address;
    } else {
        struct sockaddr_in *address = (struct sockaddr_in *)&listener->address;
        address->sin_family = AF_INET;
        address->sin_port = htons((uint16_t)port);
        address->sin_addr.s_addr = words[0] != 0 ? words[0] : htonl(INADDR_LOOPBACK);
        listener->size = sizeof *address;
    }
}

/*
 * Inserts a listener into the array, which is sorted by port, unless the array already has a listener with this port.
 * Returns the new number of listeners.
 */
static int insert(struct compare_listener *listeners, int count, int most, const struct compare_listener *listener)
{
    int at = 0;
    while (at < count && listeners[at].port < listener->port) {
        at++;
    }
    if ((at < count && listeners[at].port == listener->port) || count == most) {
        return count;
    }
    memmove(listeners + at + 1, listeners + at, (size_t)(count - at) * sizeof *listeners);
    listeners[at] = *listener;
    return count + 1;
}

/* Reads one line of /proc/PID/net/tcp or tcp6. Returns false if the line has no listening socket. */
static bool parse_line(const char *line, bool is_v6, unsigned long *inode, struct compare_listener *listener)
{
    unsigned words[4] = {0};
    unsigned port;
    unsigned state;
    int read = is_v6 ? sscanf(line, " %*d: %8x%8x%8x%8x:%x %*x:%*x %x %*x:%*x %*x:%*x %*x %*u %*u %lu", &words[0],
                              &words[1], &words[2], &words[3], &port, &state, inode)
                     : sscanf(line, " %*d: %8x:%x %*8x:%*x %x %*x:%*x %*x:%*x %*x %*u %*u %lu", &words[0], &port,
                              &state, inode);
    if (read != (is_v6 ? 7 : 4) || state != TCP_LISTEN_STATE) {
        return false;
    }
    make_address(words, is_v6, (int)port, listener);
    return true;
}

static int read_table(int process, bool is_v6, const unsigned long *inodes, size_t inode_count,
                      struct compare_listener *listeners, int count, int most)
{
    char path[PATH_SIZE];
    char line[512];
    unsigned long inode;
    struct compare_listener listener;
    snprintf(path, sizeof path, "/proc/%d/net/%s", process, is_v6 ? "tcp6" : "tcp");
    FILE *table = fopen(path, "re");
    while (table != NULL && fgets(line, sizeof line, table) != NULL) {
        if (parse_line(line, is_v6, &inode, &listener) && has_inode(inodes, inode_count, inode)) {
            count = insert(listeners, count, most, &listener);
        }
    }
    if (table != NULL) {
        fclose(table);
    }
    return count;
}

int compare_server_listeners(const struct compare_server *server, struct compare_listener *listeners, int most,
                             struct compare_fault *fault)
{
    static unsigned long inodes[INODES_MAX];
    size_t inode_count = 0;
    size_t processes;
    const struct compare_process *tree = compare_tree(server->keeper.process, &processes);
    for (size_t i = 1; i < processes; i++) {
        if (!tree[i].has_ended && !list_sockets(tree[i].process, inodes, &inode_count, fault)) {
            return -1;
        }
    }
    int count = 0;
    if (processes > 1) {
        count = read_table(tree[1].process, false, inodes, inode_count, listeners, count, most);
        count = read_table(tree[1].process, true, inodes, inode_count, listeners, count, most);
    }
    return count;
}

/* --- figures --- */

static bool has_mapped(int process, const char *library)
{
    struct maps_row row;
    FILE *maps = maps_open(process);
    bool is_there = false;
    while (maps != NULL && !is_there && maps_next(maps, &row)) {
        is_there = strcmp(row.path, library) == 0;
    }
    if (maps != NULL) {
        fclose(maps);
    }
    return is_there;
}

bool compare_server_has_loaded(const struct compare_server *server, const char *library)
{
    size_t count;
    const struct compare_process *tree = compare_tree(server->keeper.process, &count);
    bool has_any = false;
    for (size_t i = 1; i < count; i++) {
        has_any = has_any || (!tree[i].has_ended && has_mapped(tree[i].process, library));
    }
    return has_any;
}

/*
 * Returns the processor time of all threads of a process in seconds. The time of a live process is exact to nanoseconds
 * if its clock can be read, and otherwise to clock ticks.
 */
static double read_seconds(const struct compare_process *process, double ticks_per_second)
{
    clockid_t clock;
    struct timespec time;
    if (!process->has_ended && clock_getcpuclockid(process->process, &clock) == 0 && clock_gettime(clock, &time) == 0) {
        return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
    }
    return (double)process->ticks / ticks_per_second;
}

struct compare_cost compare_server_cost(const struct compare_server *server)
{
    size_t count;
    const struct compare_process *tree = compare_tree(server->keeper.process, &count);
    double ticks_per_second = (double)sysconf(_SC_CLK_TCK);
    struct compare_cost cost = {0};
    for (size_t i = 0; i < count; i++) {
        /*
         * tree[0] is the keeper, the process that starts the server. The processor time and page faults of the keeper
         * itself do not count. Those of its ended children count, because these children were processes of the server.
         */
        cost.seconds += (double)tree[i].child_ticks / ticks_per_second;
        cost.faults += (double)tree[i].child_faults;
        if (i > 0) {
            cost.seconds += read_seconds(&tree[i], ticks_per_second);
            cost.faults += (double)tree[i].faults;
        }
    }
    return cost;
}

/* Returns the PSS of a process in KiB. Returns 0 for a process that has ended, and -1 if the kernel refuses to tell. */
static long read_pss(int process)
{
    char path[PATH_SIZE];
    char line[256];
    long kibibytes = 0;
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", process);
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return errno == EACCES ? -1 : 0;
    }
    while (fgets(line, sizeof line, file) != NULL && sscanf(line, "Pss: %ld", &kibibytes) != 1) {
        continue;
    }
    fclose(file);
    return kibibytes;
}

bool compare_server_memory(const struct compare_server *server, double *mebibytes, struct compare_fault *fault)
{
    size_t count;
    const struct compare_process *tree = compare_tree(server->keeper.process, &count);
    long kibibytes = 0;
    for (size_t i = 1; i < count; i++) {
        long more = tree[i].has_ended ? 0 : read_pss(tree[i].process);
        if (more < 0) {
            return report_forbidden("memory", tree[i].process, fault);
        }
        kibibytes += more;
    }
    *mebibytes = (double)kibibytes / 1024;
    return true;
}
