#pragma once

#include "values.h"

/*
 * packetOpen(ifindex, ethertype, groups, onFrame(Uint8Array), onError(Error)): a handle of an event socket that hears ARP (0x0806)
 * or neighbour discovery (0x86dd); until it is closed the interface is in `groups`, IPv6 addresses as Uint8Arrays.
 * Throws vipd_errno_error.
 */
napi_value vipd_packet_socket_open(napi_env env, napi_callback_info info);
