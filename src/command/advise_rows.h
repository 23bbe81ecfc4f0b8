/* The rules of `sockmalloc advise`, and the servers whose settings are known: one row each. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_ADVISE_ROWS_H
#define SOCKMALLOC_ADVISE_ROWS_H

/*
 * The rules of the advice. Columns: name; the setting that the rule would change, or a description of a setting of the
 * server; the condition under which the rule holds; what to do, and what doing so costs. The output of `sockmalloc
 * advise`, the man page and the calls of the functions advise_NAME come from these rows. A rule that saves memory gives
 * no advice if the saving is less than ADVISE_LEAST bytes or less than 2 percent of the resident bytes of the pools.
 * For the rules `replies` and `maximum` no saving is estimated.
 */
#define ADVISE_ROWS(ROW)                                                                                               \
    ROW(just_over, "a setting of the server", "many buffers are a little larger than a power of two",                  \
        "Make these buffers as large as the power of two, less what the server adds: that saves pages of each.")       \
    ROW(replies, "client-output-buffer-limit of redis", "reply buffers of redis hold a quarter of what is in use",     \
        "Limit what a client may leave unread: redis closes the connection of a client that exceeds the limit.")       \
    ROW(minimum, "SOCKMALLOC_MIN", "the smallest slots hold requests that leave much of their last page unused",       \
        "Leave requests of these sizes to mimalloc, which packs them closer, but does not give free memory back.")     \
    ROW(maximum, "SOCKMALLOC_MAX", "requests above the pools' sizes are more than one percent of the calls",           \
        "Let the pools serve them, too: that saves system calls and page faults, and no memory.")                      \
    ROW(headroom, "SOCKMALLOC_HEADROOM", "requests a little above a slot's capacity leave old pages in larger slots",  \
        "Make slots a little larger, so that such requests fit the smaller slots.")                                    \
    ROW(cache, "SOCKMALLOC_CACHE", "caches hold more than a quarter of what is in use",                                \
        "Limit what all caches together may hold: then more calls go to the lists that threads share.")                \
    ROW(crowd, "SOCKMALLOC_POOL", "there are more than eight threads for each processor, and their caches hold much",  \
        "Keep a cache for each processor, and not for each thread.")                                                   \
    ROW(background, "SOCKMALLOC_BACKGROUND", "nothing was allocated or freed for a second, and free memory stays",     \
        "Have a thread give memory back while the program is idle.")                                                   \
    ROW(decay, "SOCKMALLOC_DECAY_MS", "free memory is more than a tenth of what the pools hold",                       \
        "Give free memory back sooner: a load that returns later pays with page faults.")                              \
    ROW(retain, "SOCKMALLOC_RETAIN", "free memory outside the caches is more than half of what is in use",             \
        "Limit free memory: a burst that returns pays with page faults.")

/*
 * The servers for which the advice names the setting for the size of their buffers. Columns: program; the setting;
 * lines for the server's configuration; where these lines belong. In the lines, @ is the new size such as 16k, and # is
 * the new size in bytes, less the bytes that the server adds to each buffer.
 */
#define ADVISE_SERVER_ROWS(ROW)                                                                                        \
    ROW("nginx", "proxy_buffer_size and proxy_buffers", "proxy_buffer_size @;\nproxy_buffers 8 @;\n",                  \
        "nginx.conf, with your own number of buffers in place of 8; likewise fastcgi_buffers and others")              \
    ROW("haproxy", "tune.bufsize", "tune.bufsize #\n", "haproxy.cfg, section global")                                  \
    ROW("squid", "read_ahead_gap", "read_ahead_gap # bytes\n", "squid.conf")                                           \
    ROW("varnishd", "fetch_chunksize", "-p fetch_chunksize=#\n", "options of varnishd")

#endif
