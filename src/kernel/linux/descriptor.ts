import type { Descriptor } from '../ports.js';
import type { Addon, Handle } from './addon.js';

/** What the addon gave as an open file. */
export function descriptorOf(addon: Pick<Addon, 'descriptorClose'>, handle: Handle): Descriptor {
  return { handle, [Symbol.dispose]: () => addon.descriptorClose(handle) };
}

/** What `descriptorOf` was given. */
export function handleOf(descriptor: Descriptor): Handle {
  return descriptor.handle as Handle;
}
