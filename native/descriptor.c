#include "descriptor.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct descriptor {
  int fd; /* -1 once closed or taken */
};

static void collected(napi_env env, void *data, void *hint) {
  struct descriptor *descriptor = data;
  (void)env;
  (void)hint;
  if (descriptor->fd >= 0) close(descriptor->fd);
  free(descriptor);
}

napi_value vipd_descriptor(napi_env env, int fd) {
  napi_value handle;
  struct descriptor *descriptor = malloc(sizeof *descriptor);
  if (descriptor != NULL) {
    descriptor->fd = fd;
    if (napi_create_external(env, descriptor, collected, NULL, &handle) == napi_ok) return handle;
  }
  free(descriptor);
  close(fd);
  errno = ENOMEM;
  return NULL;
}

static struct descriptor *of(napi_env env, napi_value handle) {
  void *data;
  return napi_get_value_external(env, handle, &data) == napi_ok ? data : NULL;
}

int vipd_descriptor_fd(napi_env env, napi_value handle) {
  struct descriptor *descriptor = of(env, handle);
  return descriptor == NULL ? -1 : descriptor->fd;
}

int vipd_descriptor_take(napi_env env, napi_value handle) {
  int fd = vipd_descriptor_fd(env, handle);
  if (fd >= 0) of(env, handle)->fd = -1;
  return fd;
}

napi_value vipd_descriptor_close(napi_env env, napi_callback_info info) {
  napi_value handle;
  size_t count = 1;
  TRY(env, napi_get_cb_info(env, info, &count, &handle, NULL, NULL));
  int fd = vipd_descriptor_take(env, handle);
  if (fd >= 0) close(fd);
  return NULL;
}
