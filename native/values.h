/* What every file here that talks to JavaScript needs: a checked call, and the one way to throw a kernel's refusal. */
#pragma once

#define NAPI_VERSION 8
#include <node_api.h>

/* Runs a Node-API call; when it fails (a wrong argument), throws what is pending or a TypeError and returns from the function. */
#define TRY(env, call)                                                                                                     \
  do {                                                                                                                     \
    if ((call) != napi_ok) {                                                                                               \
      vipd_throw_argument(env);                                                                                            \
      return NULL;                                                                                                         \
    }                                                                                                                      \
  } while (0)

/* Throws a TypeError unless an exception is pending already. */
void vipd_throw_argument(napi_env env);

/* A Uint8Array with a copy of these bytes. */
napi_status vipd_bytes(napi_env env, const void *bytes, size_t length, napi_value *result);

/* An Error whose message is the operation and whose `errno` property is the kernel's number; NULL when out of memory. */
napi_value vipd_errno_error(napi_env env, const char *operation, int error);

/* Throws vipd_errno_error. */
void vipd_throw_errno(napi_env env, const char *operation, int error);
