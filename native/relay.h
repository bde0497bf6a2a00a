/* The relay in JavaScript's hands. Refusals by the kernel are vipd_errno_error. */
#pragma once

#include "values.h"

/* relayCreate(threads): a relay. It runs until relayDispose or the end of the environment, and does not keep the event loop alive. */
napi_value vipd_relay_create(napi_env env, napi_callback_info info);

/* relayDispose(relay): resets every connection and ends the threads before it returns. */
napi_value vipd_relay_dispose(napi_env env, napi_callback_info info);

/*
 * relayTurns(relay): how many turns each thread's loop has made, and has each make one more. One that stands still at a bug of its own has the
 * signal's number, below zero.
 */
napi_value vipd_relay_turns(napi_env env, napi_callback_info info);

/* relayListen(relay, ip, port, freebind): a listener. */
napi_value vipd_relay_listen(napi_env env, napi_callback_info info);

/*
 * relayAdopt(relay, descriptor, ip, port): a listener with a copy of a socket that listens there already. It accepts from its first
 * table on.
 */
napi_value vipd_relay_adopt(napi_env env, napi_callback_info info);

/* relayDescriptor(listener): a copy of its socket. */
napi_value vipd_relay_descriptor(napi_env env, napi_callback_info info);

/* relayLeave(listener): accepts no more, and closes the socket here without ending it for others. */
napi_value vipd_relay_leave(napi_env env, napi_callback_info info);

/* relayPort(listener): the port it is bound to. */
napi_value vipd_relay_port(napi_env env, napi_callback_info info);

/* relaySetBackends(listener, [{ name, ip, port, weight }], connectTimeout in ms, leastConnections, proxyProtocol). */
napi_value vipd_relay_set_backends(napi_env env, napi_callback_info info);

/* relayReset(listener, { name, ip, port } | undefined). */
napi_value vipd_relay_reset(napi_env env, napi_callback_info info);

/* relayStats(listener): { accepts, connections, refused, resets, endings: { code: count }, backends: [{ name, ip, port, open, total, failed, reset, bytesFromClient, bytesToClient }] }. */
napi_value vipd_relay_stats(napi_env env, napi_callback_info info);

/* relayUnlisten(listener): refuses new clients from this moment. */
napi_value vipd_relay_unlisten(napi_env env, napi_callback_info info);
