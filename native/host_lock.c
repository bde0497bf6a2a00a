#define _GNU_SOURCE
#include "host_lock.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "descriptor.h"

napi_value vipd_host_lock(napi_env env, napi_callback_info info) {
  napi_value name;
  size_t count = 1, length;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  TRY(env, napi_get_cb_info(env, info, &count, &name, NULL, NULL));
  if (napi_get_value_string_utf8(env, name, NULL, 0, &length) != napi_ok) return vipd_throw_argument(env), NULL;
  if (length > sizeof address.sun_path - 1) return vipd_throw_errno(env, "bind", ENAMETOOLONG), NULL;
  /* The first byte stays NUL; where there is room, the string's end is written behind the name. */
  char text[sizeof address.sun_path];
  TRY(env, napi_get_value_string_utf8(env, name, text, sizeof text, &length));
  for (size_t i = 0; i < length; i++) address.sun_path[i + 1] = text[i];
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return vipd_throw_errno(env, "socket", errno), NULL;
  socklen_t size = offsetof(struct sockaddr_un, sun_path) + 1 + length;
  if (bind(fd, (const struct sockaddr *)&address, size) < 0) {
    int error = errno;
    close(fd);
    return vipd_throw_errno(env, "bind", error), NULL;
  }
  napi_value handle = vipd_descriptor(env, fd);
  if (handle == NULL) vipd_throw_errno(env, "malloc", errno);
  return handle;
}
