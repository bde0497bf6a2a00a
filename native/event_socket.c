#include "event_socket.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libuv.h"

/* Datagrams handed over per wake-up: polling is level-triggered, so the rest comes on the loop's next turn, after the timers. */
enum { DATAGRAMS_PER_WAKE = 32 };

/* More than a receive buffer holds of the smallest: whoever drains under a flood comes to an end. */
enum { DATAGRAMS_PER_DRAIN = 4096 };

/* Bytes of a datagram; longer ones are cut. More than any frame or notification of the kernel has. */
enum { DATAGRAM_MAX = 65536 };

struct event_socket {
  napi_env env;
  int owners; /* the JavaScript handle, and the libuv handle until it is closed */
  int fd;     /* -1 once closed */
  int kept;   /* closed with it; -1 for none */
  vipd_receive receive;
  vipd_take take; /* NULL: by `receive` */
  uv_poll_t *poll;
  napi_ref on_datagram, on_error;
  napi_async_cleanup_hook_handle cleanup;
};

static void event_socket_release(struct event_socket *socket) {
  if (--socket->owners == 0) free(socket);
}

static void poll_closed(uv_handle_t *handle) {
  struct event_socket *socket = uv_handle_get_data(handle);
  free(handle);
  napi_delete_reference(socket->env, socket->on_datagram);
  napi_delete_reference(socket->env, socket->on_error);
  napi_remove_async_cleanup_hook(socket->cleanup);
  event_socket_release(socket);
}

static void event_socket_close(struct event_socket *socket) {
  if (socket->fd < 0) return;
  uv_poll_stop(socket->poll);
  close(socket->fd);
  if (socket->kept >= 0) close(socket->kept);
  socket->fd = socket->kept = -1;
  uv_close((uv_handle_t *)socket->poll, poll_closed);
}

static void environment_ends(napi_async_cleanup_hook_handle handle, void *data) {
  (void)handle;
  event_socket_close(data);
}

/* Calls a JavaScript function from the event loop; what it throws is an uncaught exception, as from any event. */
static void call_back(struct event_socket *socket, napi_ref reference, napi_value argument) {
  napi_value function, receiver, error;
  napi_get_reference_value(socket->env, reference, &function);
  napi_get_global(socket->env, &receiver);
  if (napi_make_callback(socket->env, NULL, receiver, function, 1, &argument, NULL) != napi_pending_exception) return;
  if (napi_get_and_clear_last_exception(socket->env, &error) == napi_ok) napi_fatal_exception(socket->env, error);
}

static void deliver(struct event_socket *socket, const void *datagram, size_t length) {
  napi_handle_scope scope;
  napi_value bytes;
  if (napi_open_handle_scope(socket->env, &scope) != napi_ok) return;
  if (vipd_bytes(socket->env, datagram, length, &bytes) == napi_ok) call_back(socket, socket->on_datagram, bytes);
  napi_close_handle_scope(socket->env, scope);
}

static void fail(struct event_socket *socket, const char *operation, int error) {
  napi_handle_scope scope;
  if (napi_open_handle_scope(socket->env, &scope) != napi_ok) return;
  event_socket_close(socket);
  napi_value value = vipd_errno_error(socket->env, operation, error);
  if (value != NULL) call_back(socket, socket->on_error, value);
  napi_close_handle_scope(socket->env, scope);
}

static ssize_t receive_plainly(int fd, void *buffer, size_t size) {
  return recv(fd, buffer, size, 0);
}

/* False with errno, and the call that failed. */
static bool receive_one(struct event_socket *socket, const char **operation) {
  unsigned char datagram[DATAGRAM_MAX];
  *operation = "recv";
  ssize_t length = socket->receive(socket->fd, datagram, sizeof datagram);
  if (length >= 0) deliver(socket, datagram, (size_t)length);
  return length >= 0;
}

static bool take_one(struct event_socket *socket, const char **operation) {
  napi_handle_scope scope;
  *operation = "malloc";
  if (napi_open_handle_scope(socket->env, &scope) != napi_ok) return errno = ENOMEM, false;
  napi_value argument = socket->take(socket->env, socket->fd, operation);
  int error = errno;
  if (argument != NULL) call_back(socket, socket->on_datagram, argument);
  napi_close_handle_scope(socket->env, scope);
  errno = error;
  return argument != NULL;
}

/* Hands over at most `most` datagrams, in the order they came. */
static void receive_some(struct event_socket *socket, int most) {
  const char *operation;
  for (int count = 0; count < most && socket->fd >= 0; count++) {
    if (socket->take != NULL ? take_one(socket, &operation) : receive_one(socket, &operation)) continue;
    if (errno == EAGAIN) break;
    if (errno != EINTR && errno != ENETDOWN && errno != ECONNABORTED) fail(socket, operation, errno);
  }
}

/*
 * packet_notifier() in net/packet/af_packet.c: when the interface goes down the socket gets ENETDOWN once, and is heard again by
 * itself when the interface is up. libuv has stopped polling then, since it saw POLLERR.
 */
static void event_socket_ready(uv_poll_t *poll, int status, int events) {
  struct event_socket *socket = uv_handle_get_data((uv_handle_t *)poll);
  (void)events;
  receive_some(socket, DATAGRAMS_PER_WAKE);
  if (status < 0 && socket->fd >= 0) {
    int error = uv_poll_start(poll, UV_READABLE, event_socket_ready);
    if (error < 0) fail(socket, "epoll", -error);
  }
}

static void handle_collected(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  event_socket_release(data);
}

/* Starts polling `fd`; 0, or an errno with nothing left open but `fd`. The references are made by the caller. */
static int start_polling(struct event_socket *socket, napi_env env) {
  uv_loop_t *loop;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return EINVAL;
  socket->poll = malloc(uv_handle_size(UV_POLL));
  if (socket->poll == NULL) return ENOMEM;
  int error = uv_poll_init(loop, socket->poll, socket->fd);
  if (error < 0) {
    free(socket->poll);
    return -error;
  }
  uv_handle_set_data((uv_handle_t *)socket->poll, socket);
  socket->owners++;
  napi_add_async_cleanup_hook(env, environment_ends, socket, &socket->cleanup);
  error = uv_poll_start(socket->poll, UV_READABLE, event_socket_ready);
  if (error < 0) event_socket_close(socket);
  return -error;
}

napi_value vipd_event_socket(napi_env env, int fd, napi_value on_datagram, napi_value on_error) {
  napi_value handle;
  struct event_socket *socket = calloc(1, sizeof *socket);
  if (socket == NULL) {
    close(fd);
    return vipd_throw_errno(env, "malloc", ENOMEM), NULL;
  }
  socket->env = env;
  socket->owners = 1;
  socket->fd = socket->kept = -1;
  socket->receive = receive_plainly;
  if (napi_create_external(env, socket, handle_collected, NULL, &handle) != napi_ok) {
    free(socket);
    close(fd);
    return vipd_throw_argument(env), NULL;
  }
  if (napi_create_reference(env, on_datagram, 1, &socket->on_datagram) != napi_ok) {
    close(fd);
    return vipd_throw_argument(env), NULL;
  }
  if (napi_create_reference(env, on_error, 1, &socket->on_error) != napi_ok) {
    napi_delete_reference(env, socket->on_datagram);
    close(fd);
    return vipd_throw_argument(env), NULL;
  }
  socket->fd = fd;
  int error = start_polling(socket, env);
  if (error == 0) return handle;
  if (socket->fd >= 0) { /* no libuv handle was made that would clean up */
    socket->fd = -1;
    close(fd);
    napi_delete_reference(env, socket->on_datagram);
    napi_delete_reference(env, socket->on_error);
  }
  return vipd_throw_errno(env, "epoll", error), NULL;
}

void vipd_event_socket_keep(napi_env env, napi_value handle, int fd) {
  void *data;
  if (napi_get_value_external(env, handle, &data) == napi_ok) ((struct event_socket *)data)->kept = fd;
}

void vipd_event_socket_receive_by(napi_env env, napi_value handle, vipd_receive receive) {
  void *data;
  if (napi_get_value_external(env, handle, &data) == napi_ok) ((struct event_socket *)data)->receive = receive;
}

void vipd_event_socket_take_by(napi_env env, napi_value handle, vipd_take take) {
  void *data;
  if (napi_get_value_external(env, handle, &data) == napi_ok) ((struct event_socket *)data)->take = take;
}

int vipd_event_socket_fd(napi_env env, napi_value handle) {
  void *data;
  return napi_get_value_external(env, handle, &data) == napi_ok ? ((struct event_socket *)data)->fd : -1;
}

napi_value vipd_event_socket_drain(napi_env env, napi_callback_info info) {
  napi_value handle;
  size_t count = 1;
  void *socket;
  TRY(env, napi_get_cb_info(env, info, &count, &handle, NULL, NULL));
  TRY(env, napi_get_value_external(env, handle, &socket));
  receive_some(socket, DATAGRAMS_PER_DRAIN);
  return NULL;
}

napi_value vipd_event_socket_send(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  size_t count = 2, length;
  void *data, *datagram;
  napi_typedarray_type type;
  TRY(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  TRY(env, napi_get_value_external(env, arguments[0], &data));
  TRY(env, napi_get_typedarray_info(env, arguments[1], &type, &length, &datagram, NULL, NULL));
  struct event_socket *socket = data;
  if (type != napi_uint8_array) return vipd_throw_argument(env), NULL;
  if (socket->fd < 0) return vipd_throw_errno(env, "send", EBADF), NULL;
  ssize_t sent = send(socket->fd, datagram, length, MSG_NOSIGNAL);
  /* ENETDOWN may be the news of an earlier moment, told once to whoever calls first; the second call tells how things are. */
  if (sent < 0 && (errno == ENETDOWN || errno == EINTR)) sent = send(socket->fd, datagram, length, MSG_NOSIGNAL);
  if (sent < 0) vipd_throw_errno(env, "send", errno);
  return NULL;
}

napi_value vipd_event_socket_close(napi_env env, napi_callback_info info) {
  napi_value handle;
  size_t count = 1;
  void *socket;
  TRY(env, napi_get_cb_info(env, info, &count, &handle, NULL, NULL));
  TRY(env, napi_get_value_external(env, handle, &socket));
  event_socket_close(socket);
  return NULL;
}
