#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "values.h"

/* Sends one whole packet to the destination in it, by a raw socket of its family that takes headers. False with errno (EINVAL: none). */
bool vipd_raw_send_packet(int fd, const uint8_t *packet, size_t length);

/*
 * rawSend(packets): sends whole IPv4 or IPv6 packets, header included, by the routing table; their source may be any address.
 * Returns how many the kernel took: a packet without a way, or one more than a full queue holds, is left out. Throws
 * vipd_errno_error when there is no raw socket to be had (EPERM without CAP_NET_RAW).
 */
napi_value vipd_raw_send(napi_env env, napi_callback_info info);
