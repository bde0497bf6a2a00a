/* A name that one process of a network namespace can have: an abstract Unix socket (unix(7)). */
#pragma once

#include "values.h"

/* hostLock(name without its NUL): a descriptor that has the name as long as a copy of it is open. Throws vipd_errno_error (EADDRINUSE). */
napi_value vipd_host_lock(napi_env env, napi_callback_info info);
