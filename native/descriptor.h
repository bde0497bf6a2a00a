/* An open file in JavaScript's hands, on its way between two processes. */
#pragma once

#include "values.h"

/* Takes `fd` over and gives a handle for JavaScript, which closes it when it is collected; or closes it and returns NULL with errno. */
napi_value vipd_descriptor(napi_env env, int fd);

/* The file; -1 when it is closed or taken, or the handle is none. */
int vipd_descriptor_fd(napi_env env, napi_value handle);

/* The same, and it is the caller's from now on. */
int vipd_descriptor_take(napi_env env, napi_value handle);

/* descriptorClose(handle). Twice is fine. */
napi_value vipd_descriptor_close(napi_env env, napi_callback_info info);
