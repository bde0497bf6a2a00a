/* The queue by which other threads reach the engine: a list under a mutex, an eventfd to wake it, a flag that says "look". */
#pragma once

#include "relay_engine.h"

/* NULL with errno. */
struct relay_commands *relay_commands_create(struct relay_engine *engine);

/* Ends the wait of the engine. */
void relay_commands_wake(struct relay_commands *commands);

/* Frees the queue, which must be empty; NULL is fine. */
void relay_commands_free(struct relay_commands *commands);
