/*
 * Messages with open files between two processes of this host (unix(7): SOCK_SEQPACKET, SCM_RIGHTS), on the event loop. Both ends want
 * the other to be of this process's user or root (SO_PEERCRED). Nothing here waits; refusals by the kernel are vipd_errno_error.
 */
#pragma once

#include "values.h"

/*
 * channelListen(path, onPeer(descriptor), onError(Error)): a listening socket whose file has mode 0600 from the beginning. Peers of other
 * users are hung up on. Closed by vipd_event_socket_close, which leaves the file.
 */
napi_value vipd_channel_listen(napi_env env, napi_callback_info info);

/* channelConnect(path): a descriptor for channelOpen. Throws EPERM when another user listens, EAGAIN when its queue is full. */
napi_value vipd_channel_connect(napi_env env, napi_callback_info info);

/*
 * channelOpen(descriptor, onMessage({ payload, descriptors }), onError(Error)): receives, and has the descriptor from now on. The error that
 * comes in the end is ECONNRESET when the peer has gone, EMSGSIZE after a message too long, EMFILE when its files could not all be had. No
 * file that came stays open unless its message is handed on.
 */
napi_value vipd_channel_open(napi_env env, napi_callback_info info);

/* channelSend(channel, Uint8Array, [descriptor]): one message, at once or not at all: EAGAIN when the peer does not read. The files stay open here. */
napi_value vipd_channel_send(napi_env env, napi_callback_info info);
