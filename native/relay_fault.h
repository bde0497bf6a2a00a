/*
 * What becomes of a thread of the relay that runs into a bug of its own: the process would be dead at once, its addresses left to the
 * dead-man's switch. Instead the thread stands still for good, the rest of the process is told by relay_engine_progress(), and gives
 * the addresses away in order.
 */
#pragma once

#include "relay_engine.h"

/* The calling thread's faults are the engine's from now on. */
void relay_fault_own(struct relay_engine *engine);
