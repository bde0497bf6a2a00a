#include "relay_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

bool relay_address_parse(const char *ip, uint16_t port, struct relay_address *address) {
  struct sockaddr_in *v4 = (struct sockaddr_in *)&address->storage;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&address->storage;
  memset(address, 0, sizeof *address);
  if (inet_pton(AF_INET, ip, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    address->length = sizeof *v4;
    return true;
  }
  if (inet_pton(AF_INET6, ip, &v6->sin6_addr) != 1) return false;
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(port);
  address->length = sizeof *v6;
  return true;
}

uint16_t relay_address_format(const struct relay_address *address, char *ip, size_t size) {
  const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address->storage;
  const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->storage;
  bool is_v4 = address->storage.ss_family == AF_INET;
  inet_ntop(address->storage.ss_family, is_v4 ? (const void *)&v4->sin_addr : &v6->sin6_addr, ip, (socklen_t)size);
  return ntohs(is_v4 ? v4->sin_port : v6->sin6_port);
}

static const struct linger drop = {.l_onoff = 1, .l_linger = 0}; /* close() sends RST: __tcp_close() */
static const struct linger deliver = {.l_onoff = 0};             /* close() sends what waits, then FIN */

/*
 * A socket resets its peer when it is closed, unless it is closed in peace on purpose: so a process that dies, however it dies,
 * never makes half an answer look like a whole one.
 *
 * No delay: the relay writes whole what it reads, waiting for more only adds latency. Keep-alive finds a peer that vanished while
 * idle within 30 s. TCP_USER_TIMEOUT stays unset on purpose: it would also end connections whose peer is well but does not read
 * (tcp_probe_timer() counts zero-window probes against it), and back-pressure must be able to last.
 */
static int tune(int fd) {
  static const struct {
    int level, name, value;
  } options[] = {
      {IPPROTO_TCP, TCP_NODELAY, 1},   {SOL_SOCKET, SO_KEEPALIVE, 1},  {IPPROTO_TCP, TCP_KEEPIDLE, 15},
      {IPPROTO_TCP, TCP_KEEPINTVL, 5}, {IPPROTO_TCP, TCP_KEEPCNT, 3},
  };
  for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
    if (setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof options[i].value) < 0) return -1;
  return setsockopt(fd, SOL_SOCKET, SO_LINGER, &drop, sizeof drop);
}

/* Opens a tuned socket of the address's family. Accepted sockets inherit the tuning from the one that listens. */
static int open_socket(const struct relay_address *address) {
  int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd >= 0 && tune(fd) < 0) {
    relay_socket_close(fd, true);
    return -1;
  }
  return fd;
}

int relay_socket_listen(const struct relay_address *address, bool freebind, const char **operation) {
  const int on = 1, any = freebind;
  bool is_v6 = address->storage.ss_family == AF_INET6;
  *operation = "socket";
  int fd = open_socket(address);
  if (fd < 0) return -1;
  *operation = "setsockopt SO_REUSEADDR";
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0) goto failed;
  *operation = "setsockopt IPV6_V6ONLY";
  if (is_v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0) goto failed;
  *operation = "setsockopt IP_FREEBIND";
  if (setsockopt(fd, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP, is_v6 ? IPV6_FREEBIND : IP_FREEBIND, &any, sizeof any) < 0)
    goto failed;
  /*
   * The address may be gone when connections must still be reset (the dead-man's switch took it): only a transparent socket may send
   * from an address that is not here (FLOWI_FLAG_ANYSRC). Without the privilege everything else works.
   */
  if (freebind) setsockopt(fd, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP, is_v6 ? IPV6_TRANSPARENT : IP_TRANSPARENT, &on, sizeof on);
  *operation = "bind";
  if (bind(fd, (const struct sockaddr *)&address->storage, address->length) < 0) goto failed;
  *operation = "listen"; /* The kernel lowers the backlog to net.core.somaxconn, which may be above SOMAXCONN's 4096. */
  if (listen(fd, 65535) < 0) goto failed;
  return fd;

failed:
  relay_socket_close(fd, true);
  return -1;
}

uint16_t relay_socket_port(int fd) {
  struct sockaddr_storage storage = {0};
  socklen_t length = sizeof storage;
  getsockname(fd, (struct sockaddr *)&storage, &length);
  return ntohs(storage.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&storage)->sin6_port
                                             : ((struct sockaddr_in *)&storage)->sin_port);
}

int relay_socket_connect(const struct relay_address *address) {
  int fd = open_socket(address);
  if (fd < 0) return -1;
  if (connect(fd, (const struct sockaddr *)&address->storage, address->length) == 0 || errno == EINPROGRESS) return fd;
  relay_socket_close(fd, true);
  return -1;
}

void relay_socket_close(int fd, bool reset) {
  int error = errno;
  if (!reset) setsockopt(fd, SOL_SOCKET, SO_LINGER, &deliver, sizeof deliver);
  close(fd);
  errno = error;
}

bool relay_is_exhaustion(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}
