#include "boottime.h"

#include <time.h>

napi_value vipd_boottime(napi_env env, napi_callback_info info) {
  (void)info;
  struct timespec time;
  clock_gettime(CLOCK_BOOTTIME, &time);
  napi_value result;
  TRY(env, napi_create_double(env, (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6, &result));
  return result;
}
