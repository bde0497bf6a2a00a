#include "relay_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
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
 * No delay: the relay writes whole what it reads, waiting for more only adds latency.
 */
static int tune(int fd) {
  static const int on = 1;
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0) return -1;
  return setsockopt(fd, SOL_SOCKET, SO_LINGER, &drop, sizeof drop);
}

bool relay_socket_keep_alive(int fd) {
  static const struct {
    int level, name, value;
  } options[] = {
      {SOL_SOCKET, SO_KEEPALIVE, 1}, {IPPROTO_TCP, TCP_KEEPIDLE, 15}, {IPPROTO_TCP, TCP_KEEPINTVL, 5}, {IPPROTO_TCP, TCP_KEEPCNT, 3}};
  for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
    if (setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof options[i].value) < 0) return false;
  return true;
}

/* Opens a tuned socket of the address's family. */
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
  *operation = "setsockopt SO_KEEPALIVE"; /* Accepted sockets inherit it, and what they are tuned to. */
  if (!relay_socket_keep_alive(fd)) goto failed;
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

static int option_of(int fd, int name) {
  int value;
  socklen_t length = sizeof value;
  return getsockopt(fd, SOL_SOCKET, name, &value, &length) < 0 ? -1 : value;
}

static bool is_bound_to(int fd, const struct relay_address *address) {
  struct relay_address bound = {.length = sizeof bound.storage};
  char texts[2][INET6_ADDRSTRLEN];
  if (getsockname(fd, (struct sockaddr *)&bound.storage, &bound.length) < 0) return false;
  if (bound.storage.ss_family != address->storage.ss_family) return false;
  return relay_address_format(&bound, texts[0], sizeof texts[0]) == relay_address_format(address, texts[1], sizeof texts[1]) &&
         strcmp(texts[0], texts[1]) == 0;
}

static bool refuse(const char **operation, const char *because, int error) {
  *operation = because;
  errno = error;
  return false;
}

bool relay_socket_adopt(int fd, const struct relay_address *address, const char **operation) {
  int protocol = option_of(fd, SO_PROTOCOL);
  if (protocol < 0 && errno == ENOTSOCK) return refuse(operation, "adopt (no socket)", ENOTSOCK);
  if (protocol != IPPROTO_TCP) return refuse(operation, "adopt (no TCP socket)", EPROTOTYPE);
  if (option_of(fd, SO_ACCEPTCONN) != 1) return refuse(operation, "adopt (it does not listen)", EINVAL);
  if (!is_bound_to(fd, address)) return refuse(operation, "adopt (it listens elsewhere)", EADDRNOTAVAIL);
  *operation = "adopt";
  int flags = fcntl(fd, F_GETFL);
  return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 && tune(fd) == 0 && relay_socket_keep_alive(fd);
}

uint16_t relay_socket_port(int fd) {
  struct sockaddr_storage storage = {0};
  socklen_t length = sizeof storage;
  getsockname(fd, (struct sockaddr *)&storage, &length);
  return ntohs(storage.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&storage)->sin6_port
                                             : ((struct sockaddr_in *)&storage)->sin_port);
}

/* A server on this host, or on one that is simulated here, has often answered before connect() returns. */
static bool is_connected(int fd) {
  struct sockaddr_storage peer;
  socklen_t length = sizeof peer;
  return getpeername(fd, (struct sockaddr *)&peer, &length) == 0;
}

/*
 * The ACK that ends the handshake then goes with the data (inet_csk_in_pingpong_mode() in tcp_rcv_synsent_state_process()), a packet less
 * for both hosts. From there on the kernel acknowledges as ever.
 */
static void join_first_ack(int fd) {
  static const int off = 0;
  setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof off);
}

int relay_socket_connect(const struct relay_address *address, bool speaks, bool *connected) {
  int fd = open_socket(address);
  if (fd < 0) return -1;
  if (speaks) join_first_ack(fd);
  *connected = connect(fd, (const struct sockaddr *)&address->storage, address->length) == 0;
  if (*connected) return fd;
  if (errno == EINPROGRESS) {
    *connected = is_connected(fd);
    return fd;
  }
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
