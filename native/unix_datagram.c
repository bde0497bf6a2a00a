#include "unix_datagram.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* An abstract name is as long as it is, and has no null byte at its end. */
static socklen_t address_length(struct sockaddr_un *address, size_t path_length) {
  size_t length = offsetof(struct sockaddr_un, sun_path) + path_length;
  if (address->sun_path[0] != '@') return (socklen_t)(length + 1);
  address->sun_path[0] = '\0';
  return (socklen_t)length;
}

/* The errno of what was refused, whose name goes to *operation; 0 when it is sent. */
static int send_datagram(const struct sockaddr_un *to, socklen_t to_length, const void *data, size_t length,
                         const char **operation) {
  *operation = "socket";
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  *operation = "send";
  int error = 0;
  if (sendto(fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)to, to_length) < 0) error = errno;
  close(fd);
  return error;
}

napi_value vipd_unix_send(napi_env env, napi_callback_info info) {
  napi_value args[2];
  size_t count = 2, path_length, length;
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  napi_typedarray_type type;
  void *data;
  TRY(env, napi_get_cb_info(env, info, &count, args, NULL, NULL));
  TRY(env, napi_get_value_string_utf8(env, args[0], NULL, 0, &path_length));
  if (path_length == 0 || path_length >= sizeof to.sun_path) return vipd_throw_errno(env, "send", ENAMETOOLONG), NULL;
  TRY(env, napi_get_value_string_utf8(env, args[0], to.sun_path, sizeof to.sun_path, &path_length));
  TRY(env, napi_get_typedarray_info(env, args[1], &type, &length, &data, NULL, NULL));
  if (type != napi_uint8_array) return vipd_throw_argument(env), NULL;
  const char *operation;
  int error = send_datagram(&to, address_length(&to, path_length), data, length, &operation);
  if (error != 0) vipd_throw_errno(env, operation, error);
  return NULL;
}
