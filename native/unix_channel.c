#define _GNU_SOURCE
#include "unix_channel.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "descriptor.h"
#include "event_socket.h"

/* Of one message: bytes, and files, of which the kernel takes no more either (SCM_MAX_FD). And peers that wait to be accepted. */
enum { PAYLOAD_MAX = 65536, FILES_MAX = 253, BACKLOG = 8 };

union control {
  char bytes[CMSG_SPACE(sizeof(int) * FILES_MAX)];
  struct cmsghdr aligned;
};

static bool is_welcome(int fd) {
  struct ucred peer;
  socklen_t length = sizeof peer;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && (peer.uid == 0 || peer.uid == geteuid());
}

/* Closes, and keeps errno. */
static int give_up(int fd, int error) {
  close(fd);
  errno = error;
  return -1;
}

/* A socket with the address of `path`; -1 with an exception. */
static int open_at(napi_env env, napi_value path, struct sockaddr_un *address) {
  size_t length;
  if (napi_get_value_string_utf8(env, path, NULL, 0, &length) != napi_ok) return vipd_throw_argument(env), -1;
  if (length == 0 || length >= sizeof address->sun_path) return vipd_throw_errno(env, "socket", ENAMETOOLONG), -1;
  address->sun_family = AF_UNIX;
  napi_get_value_string_utf8(env, path, address->sun_path, sizeof address->sun_path, &length);
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) vipd_throw_errno(env, "socket", errno);
  return fd;
}

static napi_value accept_peer(napi_env env, int fd, const char **operation) {
  *operation = "accept";
  int peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (peer < 0) return NULL;
  if (is_welcome(peer)) return vipd_descriptor(env, peer);
  give_up(peer, ECONNABORTED);
  return NULL;
}

/* bind(2) makes the file with the mode that the socket has (unix_bind_bsd()), so nobody comes in between. */
static int bind_and_listen(int fd, const struct sockaddr_un *address, const char **operation) {
  *operation = "fchmod";
  if (fchmod(fd, 0600) < 0) return errno;
  *operation = "bind";
  if (bind(fd, (const struct sockaddr *)address, sizeof *address) < 0) return errno;
  *operation = "listen";
  return listen(fd, BACKLOG) < 0 ? errno : 0;
}

napi_value vipd_channel_listen(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  size_t count = 3;
  struct sockaddr_un address;
  const char *operation;
  TRY(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  int fd = open_at(env, arguments[0], &address);
  if (fd < 0) return NULL;
  int error = bind_and_listen(fd, &address, &operation);
  if (error != 0) return close(fd), vipd_throw_errno(env, operation, error), NULL;
  napi_value handle = vipd_event_socket(env, fd, arguments[1], arguments[2]);
  if (handle != NULL) vipd_event_socket_take_by(env, handle, accept_peer);
  return handle;
}

napi_value vipd_channel_connect(napi_env env, napi_callback_info info) {
  napi_value path;
  size_t count = 1;
  struct sockaddr_un address;
  TRY(env, napi_get_cb_info(env, info, &count, &path, NULL, NULL));
  int fd = open_at(env, path, &address);
  if (fd < 0) return NULL;
  int error = connect(fd, (const struct sockaddr *)&address, sizeof address) < 0 ? errno : is_welcome(fd) ? 0 : EPERM;
  if (error != 0) return close(fd), vipd_throw_errno(env, "connect", error), NULL;
  napi_value descriptor = vipd_descriptor(env, fd);
  if (descriptor == NULL) vipd_throw_errno(env, "malloc", errno);
  return descriptor;
}

static size_t files_of(struct msghdr *message, int *files) {
  size_t count = 0;
  for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL; part = CMSG_NXTHDR(message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    size_t length = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(files + count, CMSG_DATA(part), length * sizeof(int));
    count += length;
  }
  return count;
}

/* { payload, descriptors }; NULL when memory is short. All files are given away or closed. */
static napi_value message_value(napi_env env, const void *payload, size_t length, const int *files, size_t count) {
  napi_value message, bytes, descriptors;
  bool is_made = napi_create_object(env, &message) == napi_ok && napi_create_array(env, &descriptors) == napi_ok &&
                 vipd_bytes(env, payload, length, &bytes) == napi_ok &&
                 napi_set_named_property(env, message, "payload", bytes) == napi_ok &&
                 napi_set_named_property(env, message, "descriptors", descriptors) == napi_ok;
  for (size_t i = 0; i < count; i++) {
    napi_value descriptor = is_made ? vipd_descriptor(env, files[i]) : NULL;
    if (!is_made) close(files[i]);
    is_made = descriptor != NULL && napi_set_element(env, descriptors, (uint32_t)i, descriptor) == napi_ok;
  }
  errno = ENOMEM;
  return is_made ? message : NULL;
}

static napi_value receive_message(napi_env env, int fd, const char **operation) {
  unsigned char payload[PAYLOAD_MAX];
  union control control;
  int files[FILES_MAX];
  struct iovec bytes = {.iov_base = payload, .iov_len = sizeof payload};
  struct msghdr message = {
      .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  *operation = "recvmsg";
  ssize_t length = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (length < 0) return NULL;
  size_t count = files_of(&message, files);
  /* Nothing is the end, or a message that has nothing, which nobody here sends. MSG_CTRUNC: this process may have no more files. */
  int error = length == 0 ? ECONNRESET : message.msg_flags & MSG_TRUNC ? EMSGSIZE : message.msg_flags & MSG_CTRUNC ? EMFILE : 0;
  if (error == 0) return message_value(env, payload, (size_t)length, files, count);
  for (size_t i = 0; i < count; i++) close(files[i]);
  errno = error;
  return NULL;
}

napi_value vipd_channel_open(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  size_t count = 3;
  TRY(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  int fd = vipd_descriptor_take(env, arguments[0]);
  if (fd < 0) return vipd_throw_errno(env, "open", EBADF), NULL;
  napi_value handle = vipd_event_socket(env, fd, arguments[1], arguments[2]);
  if (handle != NULL) vipd_event_socket_take_by(env, handle, receive_message);
  return handle;
}

napi_value vipd_channel_send(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  size_t count = 3, length;
  uint32_t files;
  napi_typedarray_type type;
  void *payload;
  union control control = {0};
  TRY(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  TRY(env, napi_get_typedarray_info(env, arguments[1], &type, &length, &payload, NULL, NULL));
  TRY(env, napi_get_array_length(env, arguments[2], &files));
  if (type != napi_uint8_array) return vipd_throw_argument(env), NULL;
  int fd = vipd_event_socket_fd(env, arguments[0]);
  if (fd < 0) return vipd_throw_errno(env, "sendmsg", EBADF), NULL;
  if (length == 0 || length > PAYLOAD_MAX || files > FILES_MAX) return vipd_throw_errno(env, "sendmsg", EMSGSIZE), NULL;
  struct iovec bytes = {.iov_base = payload, .iov_len = length};
  struct msghdr message = {.msg_iov = &bytes, .msg_iovlen = 1};
  if (files > 0) {
    control.aligned = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * files)};
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * files);
  }
  for (uint32_t i = 0; i < files; i++) {
    napi_value descriptor;
    TRY(env, napi_get_element(env, arguments[2], i, &descriptor));
    int file = vipd_descriptor_fd(env, descriptor);
    if (file < 0) return vipd_throw_errno(env, "sendmsg", EBADF), NULL;
    memcpy(CMSG_DATA(&control.aligned) + i * sizeof file, &file, sizeof file);
  }
  if (sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) vipd_throw_errno(env, "sendmsg", errno);
  return NULL;
}
