#pragma once

#include <stdint.h>

/*
 * The most of a frame that is ever received, in bytes; longer ones are cut. An ARP frame has 42, or 60 with padding; neighbour
 * discovery 86 with the option that it needs.
 */
enum { VIPD_FRAME_MAX = 2048 };

/*
 * A non-blocking AF_PACKET socket on one interface, or -1 with errno; `*operation` is the call. With ETH_P_ARP it hears ARP and
 * nothing else, with ETH_P_IPV6 neighbour solicitations and advertisements and nothing else.
 */
int vipd_packet_open(int ifindex, uint16_t ethertype, const char **operation);
