#include "packet_socket.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libuv.h"
#include "packet_filter.h"

/* Frames handed over per wake-up: polling is level-triggered, so the rest comes on the loop's next turn, after the timers. */
enum { FRAMES_PER_WAKE = 32 };

struct packet_socket {
  napi_env env;
  int owners; /* the JavaScript handle, and the libuv handle until it is closed */
  int fd;     /* -1 once closed */
  uv_poll_t *poll;
  napi_ref on_frame, on_error;
  napi_async_cleanup_hook_handle cleanup;
};

static void packet_socket_release(struct packet_socket *packet) {
  if (--packet->owners == 0) free(packet);
}

static void poll_closed(uv_handle_t *handle) {
  struct packet_socket *packet = uv_handle_get_data(handle);
  free(handle);
  napi_delete_reference(packet->env, packet->on_frame);
  napi_delete_reference(packet->env, packet->on_error);
  napi_remove_async_cleanup_hook(packet->cleanup);
  packet_socket_release(packet);
}

static void packet_socket_close(struct packet_socket *packet) {
  if (packet->fd < 0) return;
  uv_poll_stop(packet->poll);
  close(packet->fd);
  packet->fd = -1;
  uv_close((uv_handle_t *)packet->poll, poll_closed);
}

static void environment_ends(napi_async_cleanup_hook_handle handle, void *data) {
  (void)handle;
  packet_socket_close(data);
}

/* Calls a JavaScript function from the event loop; what it throws is an uncaught exception, as from any event. */
static void call_back(struct packet_socket *packet, napi_ref reference, napi_value argument) {
  napi_value function, receiver, error;
  napi_get_reference_value(packet->env, reference, &function);
  napi_get_global(packet->env, &receiver);
  if (napi_make_callback(packet->env, NULL, receiver, function, 1, &argument, NULL) != napi_pending_exception) return;
  if (napi_get_and_clear_last_exception(packet->env, &error) == napi_ok) napi_fatal_exception(packet->env, error);
}

static void deliver(struct packet_socket *packet, const void *frame, size_t length) {
  napi_handle_scope scope;
  napi_value buffer, bytes;
  void *copy;
  if (napi_open_handle_scope(packet->env, &scope) != napi_ok) return;
  if (napi_create_arraybuffer(packet->env, length, &copy, &buffer) == napi_ok) {
    memcpy(copy, frame, length);
    if (napi_create_typedarray(packet->env, napi_uint8_array, length, buffer, 0, &bytes) == napi_ok)
      call_back(packet, packet->on_frame, bytes);
  }
  napi_close_handle_scope(packet->env, scope);
}

static void fail(struct packet_socket *packet, const char *operation, int error) {
  napi_handle_scope scope;
  if (napi_open_handle_scope(packet->env, &scope) != napi_ok) return;
  packet_socket_close(packet);
  napi_value value = vipd_errno_error(packet->env, operation, error);
  if (value != NULL) call_back(packet, packet->on_error, value);
  napi_close_handle_scope(packet->env, scope);
}

/*
 * packet_notifier() in net/packet/af_packet.c: when the interface goes down the socket gets ENETDOWN once, and is heard again by
 * itself when the interface is up. libuv has stopped polling then, since it saw POLLERR.
 */
static void packet_socket_ready(uv_poll_t *poll, int status, int events) {
  struct packet_socket *packet = uv_handle_get_data((uv_handle_t *)poll);
  unsigned char frame[VIPD_FRAME_MAX];
  (void)events;
  for (int count = 0; count < FRAMES_PER_WAKE && packet->fd >= 0; count++) {
    ssize_t length = recv(packet->fd, frame, sizeof frame, 0);
    if (length >= 0) {
      deliver(packet, frame, (size_t)length);
    } else if (errno == EAGAIN) {
      break;
    } else if (errno != EINTR && errno != ENETDOWN) {
      fail(packet, "recv", errno);
    }
  }
  if (status < 0 && packet->fd >= 0) {
    int error = uv_poll_start(poll, UV_READABLE, packet_socket_ready);
    if (error < 0) fail(packet, "epoll", -error);
  }
}

static void handle_collected(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  packet_socket_release(data);
}

/* Starts polling `fd`; 0, or an errno with nothing left open but `fd`. The references are made by the caller. */
static int start_polling(struct packet_socket *packet, napi_env env) {
  uv_loop_t *loop;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return EINVAL;
  packet->poll = malloc(uv_handle_size(UV_POLL));
  if (packet->poll == NULL) return ENOMEM;
  int error = uv_poll_init(loop, packet->poll, packet->fd);
  if (error < 0) {
    free(packet->poll);
    return -error;
  }
  uv_handle_set_data((uv_handle_t *)packet->poll, packet);
  packet->owners++;
  napi_add_async_cleanup_hook(env, environment_ends, packet, &packet->cleanup);
  error = uv_poll_start(packet->poll, UV_READABLE, packet_socket_ready);
  if (error < 0) packet_socket_close(packet);
  return -error;
}

napi_value vipd_packet_socket_open(napi_env env, napi_callback_info info) {
  napi_value arguments[3], handle;
  size_t count = 3;
  int32_t ifindex;
  const char *operation;
  TRY(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  TRY(env, napi_get_value_int32(env, arguments[0], &ifindex));

  struct packet_socket *packet = calloc(1, sizeof *packet);
  if (packet == NULL) return vipd_throw_errno(env, "malloc", ENOMEM), NULL;
  packet->env = env;
  packet->owners = 1;
  packet->fd = -1;
  if (napi_create_external(env, packet, handle_collected, NULL, &handle) != napi_ok) {
    free(packet);
    return vipd_throw_argument(env), NULL;
  }
  int fd = vipd_packet_open(ifindex, &operation);
  if (fd < 0) return vipd_throw_errno(env, operation, errno), NULL;
  if (napi_create_reference(env, arguments[1], 1, &packet->on_frame) != napi_ok) {
    close(fd);
    return vipd_throw_argument(env), NULL;
  }
  if (napi_create_reference(env, arguments[2], 1, &packet->on_error) != napi_ok) {
    napi_delete_reference(env, packet->on_frame);
    close(fd);
    return vipd_throw_argument(env), NULL;
  }
  packet->fd = fd;
  int error = start_polling(packet, env);
  if (error == 0) return handle;
  if (packet->fd >= 0) { /* no libuv handle was made that would clean up */
    packet->fd = -1;
    close(fd);
    napi_delete_reference(env, packet->on_frame);
    napi_delete_reference(env, packet->on_error);
  }
  return vipd_throw_errno(env, "epoll", error), NULL;
}

napi_value vipd_packet_socket_send(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  size_t count = 2, length;
  void *data, *frame;
  napi_typedarray_type type;
  TRY(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
  TRY(env, napi_get_value_external(env, arguments[0], &data));
  TRY(env, napi_get_typedarray_info(env, arguments[1], &type, &length, &frame, NULL, NULL));
  struct packet_socket *packet = data;
  if (type != napi_uint8_array) return vipd_throw_argument(env), NULL;
  if (packet->fd < 0) return vipd_throw_errno(env, "send", EBADF), NULL;
  ssize_t sent = send(packet->fd, frame, length, MSG_NOSIGNAL);
  /* ENETDOWN may be the news of an earlier moment, told once to whoever calls first; the second call tells how things are. */
  if (sent < 0 && (errno == ENETDOWN || errno == EINTR)) sent = send(packet->fd, frame, length, MSG_NOSIGNAL);
  if (sent < 0) vipd_throw_errno(env, "send", errno);
  return NULL;
}

napi_value vipd_packet_socket_close(napi_env env, napi_callback_info info) {
  napi_value handle;
  size_t count = 1;
  void *packet;
  TRY(env, napi_get_cb_info(env, info, &count, &handle, NULL, NULL));
  TRY(env, napi_get_value_external(env, handle, &packet));
  packet_socket_close(packet);
  return NULL;
}
