#include "values.h"

#include <stdbool.h>

void vipd_throw_argument(napi_env env) {
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (!pending) napi_throw_type_error(env, NULL, "vipd addon: wrong argument");
}

napi_value vipd_errno_error(napi_env env, const char *operation, int error) {
  napi_value message, result, number;
  if (napi_create_string_utf8(env, operation, NAPI_AUTO_LENGTH, &message) != napi_ok) return NULL;
  if (napi_create_error(env, NULL, message, &result) != napi_ok) return NULL;
  if (napi_create_int32(env, error, &number) != napi_ok) return NULL;
  if (napi_set_named_property(env, result, "errno", number) != napi_ok) return NULL;
  return result;
}

void vipd_throw_errno(napi_env env, const char *operation, int error) {
  napi_value value = vipd_errno_error(env, operation, error);
  if (value != NULL) napi_throw(env, value);
}
