#include "values.h"

#include <stdbool.h>
#include <string.h>

void vipd_throw_argument(napi_env env) {
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (!pending) napi_throw_type_error(env, NULL, "vipd addon: wrong argument");
}

napi_status vipd_bytes(napi_env env, const void *bytes, size_t length, napi_value *result) {
  napi_value buffer;
  void *copy;
  napi_status status = napi_create_arraybuffer(env, length, &copy, &buffer);
  if (status != napi_ok) return status;
  memcpy(copy, bytes, length);
  return napi_create_typedarray(env, napi_uint8_array, length, buffer, 0, result);
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
