/*
 * A datagram server that sends each answer again until its client has acknowledged it. The record of an answer's
 * delivery lies inside the answer's own buffer (sockmalloc_slack), so a datagram costs one allocation and not two.
 *
 * Serves on a free UDP port of 127.0.0.1, which is the first line on stdout. The first byte of a datagram is its kind
 * and the next four are its number. The answer to a datagram `?` has the same bytes, but the kind `=`. The server sends
 * an answer every PAUSE_MS ms, at most TRIES times, until a datagram `!` with the number comes. It ends when nothing
 * comes for IDLE_MS ms and no answer is left, and prints where the records lay. It also runs without sockmalloc.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <netinet/in.h>
#include <poll.h>
#include <sockmalloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#pragma weak sockmalloc_slack_alloc

enum { LARGEST = 8000, HEAD = 5, PAUSE_MS = 100, IDLE_MS = 1000, TRIES = 20 }; /* LARGEST and HEAD: bytes */

/* One answer that is not acknowledged yet. */
struct record {
    struct record *next;
    char *datagram;
    size_t size;
    struct sockaddr_in client;
    long due; /* the time in ms at which the answer is sent again */
    int tries;
    bool inside; /* true if this record lies in the buffer `datagram`, and not in a block of its own */
};

static struct record *unacknowledged;
static unsigned long inside, elsewhere;
static int server;

static long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static struct record *record_of(char *datagram)
{
    enum { SIZE = sizeof(struct record), ALIGNMENT = _Alignof(struct record) };
    struct record *record = sockmalloc_slack_alloc != NULL ? sockmalloc_slack_alloc(datagram, SIZE, ALIGNMENT) : NULL;
    if (record == NULL) {
        elsewhere++;
        return calloc(1, SIZE);
    }
    inside++;
    record->inside = true;
    return record;
}

static void drop(struct record **place)
{
    struct record *record = *place;
    *place = record->next;
    char *datagram = record->datagram;
    if (!record->inside) {
        free(record);
    }
    free(datagram); /* frees the record too if the record lies in this buffer */
}

/* Sends every answer that is due, and drops answers that were sent TRIES times. */
static void send_due(void)
{
    for (struct record **place = &unacknowledged, *record; (record = *place) != NULL;) {
        if (record->due <= now() && record->tries == TRIES) {
            drop(place);
            continue;
        }
        if (record->due <= now()) {
            sendto(server, record->datagram, record->size, 0, (struct sockaddr *)&record->client,
                   sizeof record->client);
            record->due = now() + PAUSE_MS;
            record->tries++;
        }
        place = &record->next;
    }
}

static void acknowledge(const char *number)
{
    struct record **place = &unacknowledged;
    while (*place != NULL && memcmp((*place)->datagram + 1, number, HEAD - 1) != 0) {
        place = &(*place)->next;
    }
    if (*place != NULL) {
        drop(place);
    }
}

/* Makes an answer of a datagram, and keeps it until it is acknowledged. Returns false if memory for a record lacks. */
static bool keep(char *datagram, size_t size, const struct sockaddr_in *client)
{
    struct record *record = record_of(datagram);
    if (record == NULL) {
        return false;
    }
    datagram[0] = '=';
    *record = (struct record){unacknowledged, datagram, size, *client, now(), 0, record->inside};
    unacknowledged = record;
    return true;
}

static void receive(void)
{
    struct sockaddr_in client;
    char *datagram = malloc(LARGEST);
    socklen_t length = sizeof client;
    ssize_t size = datagram != NULL ? recvfrom(server, datagram, LARGEST, 0, (struct sockaddr *)&client, &length) : -1;
    if (size >= HEAD && datagram[0] == '?' && keep(datagram, (size_t)size, &client)) {
        return;
    }
    if (size >= HEAD && datagram[0] == '!') {
        acknowledge(datagram + 1);
    }
    free(datagram);
}

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    server = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(server, (struct sockaddr *)&address, length) != 0 ||
        getsockname(server, (struct sockaddr *)&address, &length) != 0) {
        perror("datagrams: no port");
        return 1;
    }
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
    for (long last = now(); now() - last < IDLE_MS || unacknowledged != NULL; send_due()) {
        struct pollfd ready = {.fd = server, .events = POLLIN};
        if (poll(&ready, 1, PAUSE_MS / 2) > 0) {
            receive();
            last = now();
        }
    }
    printf("%lu records in datagrams, %lu elsewhere\n", inside, elsewhere);
    return 0;
}
