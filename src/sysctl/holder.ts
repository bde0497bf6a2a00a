import { KernelError } from '../kernel/errors.js';
import type { SysctlChange, SysctlMemory, Sysctls } from '../kernel/ports.js';
import type { Family } from '../net/ip.js';
import type { Log } from '../telemetry/log.js';
import { type HostSetting, type SettingsUser, settingsFor } from './needs.js';

/** The kernel settings that the data planes in the kernel need, as they are on this host. For all VIPs of a daemon. */
export interface HostSettings {
  /** Gives back what a killed daemon has left changed. Before the first `hold`. */
  restoreLeftovers(): Promise<void>;
  /**
   * Finds out, without changing anything, whether what is necessary could be set. Throws KernelError when it could not.
   */
  probe(user: SettingsUser, family: Family): Promise<void>;
  /**
   * Sets what a user needs for a family, until the last holder disposes its hold: then every setting gets its old value back, unless
   * somebody has changed it meanwhile. Throws KernelError when the user could not work as the settings are; what was changed is then
   * back.
   */
  hold(user: SettingsUser, family: Family): Promise<AsyncDisposable>;
}

/** @param release the kernel's, `6.1.0-56-amd64` */
export function createHostSettings(parts: {
  readonly sysctls: Sysctls;
  readonly memory: SysctlMemory;
  readonly release: string;
  readonly log: Log;
}): HostSettings {
  const { sysctls, memory, log } = parts;
  /** In the order in which they were made. */
  let changes: readonly SysctlChange[] = [];
  let holders = 0;
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = last.then(work);
    last = done.catch(() => {});
    return done;
  };

  async function needs(user: SettingsUser, family: Family): Promise<readonly HostSetting[]> {
    const forwards = (await sysctls.read('net/ipv6/conf/all/forwarding')) !== '0';
    const interfaces = forwards ? [] : await sysctls.list('net/ipv6/conf');
    return settingsFor(user, family, { release: parts.release, interfaces });
  }

  async function remember(next: readonly SysctlChange[]): Promise<void> {
    changes = next;
    try {
      await memory.save(changes);
    } catch (error) {
      log.warn('kernel settings would stay changed after a crash', { because: error });
    }
  }

  async function set({ name, value, from, necessary, because }: HostSetting): Promise<void> {
    try {
      const before = await sysctls.read(name);
      if (before === value || (from !== undefined && before !== from)) return;
      if (before === undefined) throw new KernelError(`read ${name}`, 'ENOENT');
      const previous = changes;
      // First the memory, then the deed: a crash in between must not lose the old value.
      await remember([
        ...changes.filter((change) => change.name !== name),
        { name, before: original(name, before), value },
      ]);
      try {
        await sysctls.write(name, value);
      } catch (error) {
        await remember(previous);
        throw error;
      }
      log.info('kernel setting', { setting: name, from: before, to: value, because });
    } catch (error) {
      if (necessary) throw error;
      log.warn('kernel setting not made', { setting: name, to: value, because: error });
    }
  }

  /** What the setting was before vipd first changed it. */
  function original(name: string, now: string): string {
    return changes.find((change) => change.name === name)?.before ?? now;
  }

  async function restore(because: string): Promise<void> {
    for (const change of [...changes].reverse()) {
      const { name, before, value } = change;
      try {
        const now = await sysctls.read(name);
        if (now === value) {
          await sysctls.write(name, before);
          log.info('kernel setting', { setting: name, from: value, to: before, because });
        } else if (now !== before) {
          log.info('kernel setting left as somebody else made it', { setting: name, now, before });
        }
      } catch (error) {
        log.error('kernel setting not restored', { setting: name, to: before, because: error });
      }
    }
    if (changes.length > 0) await remember([]);
  }

  return {
    restoreLeftovers: () =>
      inTurn(async () => {
        changes = await memory.load();
        await restore('leftover');
      }),
    async probe(user, family) {
      for (const { name, value, necessary } of await needs(user, family)) {
        if (!necessary) continue;
        const now = await sysctls.read(name);
        if (now === undefined) throw new KernelError(`read ${name}`, 'ENOENT');
        if (now !== value) await sysctls.write(name, now);
      }
    },
    hold: (user, family) =>
      inTurn(async () => {
        try {
          for (const setting of await needs(user, family)) await set(setting);
        } catch (error) {
          if (holders === 0) await restore('not all could be made');
          throw error;
        }
        holders++;
        let held = true;
        return {
          [Symbol.asyncDispose]: () =>
            inTurn(async () => {
              if (!held) return;
              held = false;
              holders--;
              if (holders === 0) await restore('no VIP is served by the kernel');
            }),
        };
      }),
  };
}
