#pragma once

#include "values.h"

/*
 * routeOpen(onDatagram(Uint8Array), onError(Error)): a handle of an event socket that hears rtnetlink's notifications of links and
 * addresses. The error ENOBUFS says that the kernel had to drop some. Throws vipd_errno_error.
 */
napi_value vipd_route_socket_open(napi_env env, napi_callback_info info);
