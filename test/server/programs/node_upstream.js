// An HTTP server for node that answers as the one in harness/upstream.py does. The first argument is its port.
// SPDX-License-Identifier: BSD-2-Clause
'use strict';
const crypto = require('crypto');
const http = require('http');

function body(size) {
    const hash = crypto.createHash('shake128', { outputLength: size });
    return hash.update(`body of ${size}`).digest();
}

const server = http.createServer((request, response) => {
    const match = /^\/bytes\/(\d+)$/.exec(request.url);
    if (request.method === 'GET' && match) {
        response.end(body(Number(match[1])));
    } else if (request.method === 'POST') {
        const pieces = [];
        request.on('data', (piece) => pieces.push(piece));
        request.on('end', () => response.end(Buffer.concat(pieces)));
    } else {
        response.writeHead(404).end();
    }
});

// node frees a buffer only when its garbage collection finds that the buffer is no longer used. So the server runs the
// garbage collection when the last connection is closed.
let clients = 0;
server.on('connection', (socket) => {
    clients += 1;
    socket.on('close', () => {
        clients -= 1;
        if (clients === 0) {
            setImmediate(global.gc);
        }
    });
});
server.listen(Number(process.argv[2]), '127.0.0.1');
process.on('SIGTERM', () => server.close());
