/* A datagram socket in JavaScript's hands: receives on the event loop that opened it. */
#pragma once

#include <sys/types.h>

#include "values.h"

/*
 * Takes the non-blocking socket `fd` over and gives a handle for JavaScript, or closes it and returns NULL with an exception
 * pending. on_datagram(Uint8Array) gets what arrives; on_error(vipd_errno_error) comes once, and the socket is closed then.
 * An interface that goes down or away (ENETDOWN) is no error: the socket is silent until it is up again, and sending tells.
 */
napi_value vipd_event_socket(napi_env env, int fd, napi_value on_datagram, napi_value on_error);

/* Closes `fd` too when the socket is closed. For a handle of vipd_event_socket that is open, once. */
void vipd_event_socket_keep(napi_env env, napi_value handle, int fd);

/* Receives by this function from now on instead of recv(2), which it is like. */
typedef ssize_t (*vipd_receive)(int fd, void *buffer, size_t size);
void vipd_event_socket_receive_by(napi_env env, napi_value handle, vipd_receive receive);

/*
 * Makes the argument of on_datagram out of what waits at `fd`; NULL with errno, and *operation is the call that failed. EAGAIN: nothing
 * waits; EINTR, ENETDOWN, ECONNABORTED: what waited was nothing.
 */
typedef napi_value (*vipd_take)(napi_env env, int fd, const char **operation);

/* Takes by this function from now on instead of receiving. */
void vipd_event_socket_take_by(napi_env env, napi_value handle, vipd_take take);

/* The socket itself; -1 once it is closed, or when the handle is none. */
int vipd_event_socket_fd(napi_env env, napi_value handle);

/*
 * drain(handle): hands over what the kernel has received until now, before it returns, as far as the receive buffer can hold it.
 * Nothing when it is closed.
 */
napi_value vipd_event_socket_drain(napi_env env, napi_callback_info info);

/* send(handle, Uint8Array): sends one datagram. Throws vipd_errno_error (EBADF once it is closed). */
napi_value vipd_event_socket_send(napi_env env, napi_callback_info info);

/* close(handle): no callback runs after this returns. Closing twice is fine. */
napi_value vipd_event_socket_close(napi_env env, napi_callback_info info);
