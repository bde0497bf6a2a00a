#include "packet_socket.h"

#include <errno.h>

#include "event_socket.h"
#include "packet_filter.h"

napi_value vipd_packet_socket_open(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  size_t count = 3;
  int32_t ifindex;
  const char *operation;
  TRY(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  TRY(env, napi_get_value_int32(env, arguments[0], &ifindex));
  int fd = vipd_packet_open(ifindex, &operation);
  if (fd < 0) return vipd_throw_errno(env, operation, errno), NULL;
  return vipd_event_socket(env, fd, arguments[1], arguments[2]);
}
