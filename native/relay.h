/* The relay in JavaScript's hands. Refusals by the kernel are vipd_errno_error. */
#pragma once

#include "values.h"

/* relayCreate(): a relay. It runs until relayDispose or the end of the environment, and does not keep the event loop alive. */
napi_value vipd_relay_create(napi_env env, napi_callback_info info);

/* relayDispose(relay): resets every connection and ends the thread before it returns. */
napi_value vipd_relay_dispose(napi_env env, napi_callback_info info);

/* relayListen(relay, ip, port, freebind): a listener. */
napi_value vipd_relay_listen(napi_env env, napi_callback_info info);

/* relayPort(listener): the port it is bound to. */
napi_value vipd_relay_port(napi_env env, napi_callback_info info);

/* relaySetBackends(listener, [{ name, ip, port }], connectTimeout in ms, leastConnections). */
napi_value vipd_relay_set_backends(napi_env env, napi_callback_info info);

/* relayReset(listener, { name, ip, port } | undefined). */
napi_value vipd_relay_reset(napi_env env, napi_callback_info info);

/* relayStats(listener): { refused, resets, backends: [{ name, ip, port, open, total, failed, reset, bytesFromClient, bytesToClient }] }. */
napi_value vipd_relay_stats(napi_env env, napi_callback_info info);

/* relayUnlisten(listener): refuses new clients from this moment. */
napi_value vipd_relay_unlisten(napi_env env, napi_callback_info info);
