/* The PROXY protocol, version 2: a header by which the relay tells a backend who its client is (HAProxy's doc/proxy-protocol.txt, section 2.2). */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Of the longest header, which is that of IPv6. */
enum { RELAY_PROXY_HEADER_MAX = 52 };

/*
 * Writes the header for the connection of `fd`: its peer's address, and the one that the peer asked for, before any translation here.
 * Returns its length; a socket that has lost its peer gets the header of nobody in particular (LOCAL).
 */
size_t relay_proxy_header(int fd, uint8_t header[RELAY_PROXY_HEADER_MAX]);
