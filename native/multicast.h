#pragma once

#include <netinet/in.h>
#include <stddef.h>

/*
 * A socket that does nothing but keep the interface in IPv6 multicast groups until it is closed, or -1 with errno; `*operation` is
 * the call. The kernel tells the network card and, by MLD, the switches (RFC 4861 section 7.2.1).
 */
int vipd_multicast_join(int ifindex, const struct in6_addr *groups, size_t count, const char **operation);
