#include "route_socket.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "event_socket.h"

/* Bytes, doubled by the kernel: some ten thousand notifications, for a process that was stopped on a busy host. */
static const int receive_buffer = 8 * 1024 * 1024;

napi_value vipd_route_socket_open(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  size_t count = 2;
  TRY(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
  if (fd < 0) return vipd_throw_errno(env, "socket", errno), NULL;
  /* Past net.core.rmem_max with CAP_NET_ADMIN in the first user namespace, up to it without. */
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_buffer, sizeof receive_buffer) < 0)
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  struct sockaddr_nl address = {
      .nl_family = AF_NETLINK,
      .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR,
  };
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
    int error = errno;
    close(fd);
    return vipd_throw_errno(env, "bind", error), NULL;
  }
  return vipd_event_socket(env, fd, arguments[0], arguments[1]);
}
