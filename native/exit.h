/* exit(code): ends the process at once. exit(3) and so process.exit() join libuv's threads first, one of which may be in getaddrinfo(3). */
#pragma once

#include "values.h"

napi_value vipd_exit(napi_env env, napi_callback_info info);
