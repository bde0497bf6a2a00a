#pragma once

#include "values.h"

/* boottime(): milliseconds since boot as a double, time asleep included (CLOCK_BOOTTIME, clock_gettime(2)). */
napi_value vipd_boottime(napi_env env, napi_callback_info info);
