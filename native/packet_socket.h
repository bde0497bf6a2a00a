#pragma once

#include "values.h"

/* packetOpen(ifindex, onFrame(Uint8Array), onError(Error)): a handle of an event socket that hears ARP. Throws vipd_errno_error. */
napi_value vipd_packet_socket_open(napi_env env, napi_callback_info info);
