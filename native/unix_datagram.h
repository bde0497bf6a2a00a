/* Datagrams to a Unix socket, which Node cannot send. */
#pragma once

#include "values.h"

/*
 * unixSend(path, Uint8Array): sends one datagram from a socket of its own; a path that begins with '@' is abstract (unix(7)). Never
 * waits: throws EAGAIN when the receiver's queue is full.
 */
napi_value vipd_unix_send(napi_env env, napi_callback_info info);
