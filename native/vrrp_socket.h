/* Raw sockets for VRRP (RFC 9568 section 5.1), one per interface, family and virtual router. */
#pragma once

#include "values.h"

/*
 * open(ifindex, family 4 or 6, VRID, in the group or not, onPacket(Uint8Array), onError(Error)): packets of protocol 112 on this
 * interface, whole, IP header included, for this VRID only. With IPv6 the header is made anew of what the kernel tells of it. Never
 * our own. Sent packets are whole too.
 */
napi_value vipd_vrrp_socket_open(napi_env env, napi_callback_info info);

/* send(handle, Uint8Array): sends one whole IP packet out of the interface. Throws vipd_errno_error (EBADF once it is closed). */
napi_value vipd_vrrp_socket_send(napi_env env, napi_callback_info info);
