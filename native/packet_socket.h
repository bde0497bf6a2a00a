/* The packet socket in JavaScript's hands: receives on the event loop that opened it. */
#pragma once

#include "values.h"

/*
 * packetOpen(ifindex, onFrame(Uint8Array), onError(Error)): a handle. Throws vipd_errno_error. After onError it is closed.
 * An interface that goes down or away is no error: the socket is silent until it is up again, and sending tells.
 */
napi_value vipd_packet_socket_open(napi_env env, napi_callback_info info);

/* packetSend(handle, Uint8Array): sends one whole Ethernet frame. Throws vipd_errno_error (EBADF once it is closed). */
napi_value vipd_packet_socket_send(napi_env env, napi_callback_info info);

/* packetClose(handle): no callback runs after this returns. Closing twice is fine. */
napi_value vipd_packet_socket_close(napi_env env, napi_callback_info info);
