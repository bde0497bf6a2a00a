#include "multicast.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

int vipd_multicast_join(int ifindex, const struct in6_addr *groups, size_t count, const char **operation) {
  *operation = "socket";
  int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  *operation = "setsockopt IPV6_JOIN_GROUP";
  for (size_t i = 0; i < count; i++) {
    const struct ipv6_mreq membership = {.ipv6mr_multiaddr = groups[i], .ipv6mr_interface = (unsigned)ifindex};
    if (ifindex <= 0) errno = ENODEV; /* 0 would mean the interface that a route chooses. */
    else if (setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &membership, sizeof membership) == 0) continue;
    else if (errno == EADDRINUSE) continue; /* A group that was given twice. */
    int error = errno;
    close(fd);
    errno = error;
    return -1;
  }
  return fd;
}
