#pragma once

/* The most of a frame that is ever received, in bytes; longer ones are cut. An ARP frame has 42, or 60 with padding. */
enum { VIPD_FRAME_MAX = 2048 };

/* A non-blocking AF_PACKET socket that hears ARP on one interface and nothing else, or -1 with errno; `*operation` is the call. */
int vipd_packet_open(int ifindex, const char **operation);
