import type { LookupAnswer, Resolver } from '../../src/kernel/ports.js';

/** Answers when and what the test says. */
export interface FakeResolver extends Resolver {
  /** The names whose look-ups have no answer yet, in order. */
  readonly asked: readonly string[];
  /** Answers the first of them, and lets whoever waits go on. */
  answer(answer: LookupAnswer): Promise<void>;
}

export function createFakeResolver(): FakeResolver {
  const open: { readonly name: string; readonly resolve: (answer: LookupAnswer) => void }[] = [];
  return {
    lookup: (name) => new Promise((resolve) => open.push({ name, resolve })),
    get asked() {
      return open.map(({ name }) => name);
    },
    async answer(answer) {
      open.shift()?.resolve(answer);
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}
