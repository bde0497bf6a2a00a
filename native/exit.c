#include "exit.h"

#include <unistd.h>

napi_value vipd_exit(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  int32_t code;
  TRY(env, napi_get_cb_info(env, info, &count, &argument, NULL, NULL));
  TRY(env, napi_get_value_int32(env, argument, &code));
  _exit(code);
}
