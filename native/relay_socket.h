/* The sockets of the relay: how they are opened, tuned and ended. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "relay_backend.h"

/* Reads an address of either family; false if the text is none. */
bool relay_address_parse(const char *ip, uint16_t port, struct relay_address *address);

/* Writes the address, without the port, and returns the port. */
uint16_t relay_address_format(const struct relay_address *address, char *ip, size_t size);

/* A listening, non-blocking socket, or -1 with errno; `*operation` is the call that failed. */
int relay_socket_listen(const struct relay_address *address, bool freebind, const char **operation);

/* Has the kernel find a peer that vanished while nothing is on its way to it, within 30 s; false with errno. */
bool relay_socket_keep_alive(int fd);

/*
 * Whether a socket that another process opened can be listened with: it is TCP's, listens, and at this address, or errno and `*operation` say what
 * it is not. Tuned as those of this process from then on.
 */
bool relay_socket_adopt(int fd, const struct relay_address *address, const char **operation);

/* The port a socket is bound to. */
uint16_t relay_socket_port(int fd);

/*
 * A non-blocking socket whose connection has been started, and whether it is made already; or -1 with errno. `speaks`: there is
 * something to send as soon as it is made.
 */
int relay_socket_connect(const struct relay_address *address, bool speaks, bool *connected);

/* Closes; with `reset` the peer gets RST and what was not sent yet is dropped, else it gets that and FIN. Keeps errno. */
void relay_socket_close(int fd, bool reset);

/* Whether the error of socket() or accept() means that this machine has no descriptor or memory left just now. */
bool relay_is_exhaustion(int error);
