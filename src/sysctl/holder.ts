import { KernelError } from '../kernel/errors.js';
import type { SysctlChange, SysctlMemory, Sysctls } from '../kernel/ports.js';
import type { Family } from '../net/ip.js';
import type { Log, LogFields } from '../telemetry/log.js';
import type { Clock } from '../time/clock.js';
import { millis, plus } from '../time/instant.js';
import { type HostSetting, rewrittenBy, rewrittenWith, type SettingsUser, settingsFor, triedWith } from './needs.js';

/** The kernel settings that the data planes in the kernel need, as they are on this host. For all VIPs of a daemon. */
export interface HostSettings {
  /** Gives back what a killed daemon has left changed. Before the first `hold`. */
  restoreLeftovers(): Promise<void>;
  /** Knows from now on what an earlier process has changed and this one is to give back. Instead of `restoreLeftovers`. */
  inherit(): Promise<void>;
  /**
   * Finds out, without changing anything, whether what is necessary could be set. Throws KernelError when it could not.
   */
  probe(user: SettingsUser, family: Family): Promise<void>;
  /**
   * Sets what a user needs for a family, until the last holder disposes its hold: then every setting gets its old value back, unless
   * somebody has changed it meanwhile. Until then what somebody changes is made anew within about a second. Throws KernelError when
   * the user could not work as the settings are; what was changed is then back.
   */
  hold(user: SettingsUser, family: Family): Promise<AsyncDisposable>;
  /** Why a necessary setting that is held is not as it must be; undefined when all are. */
  trouble(): string | undefined;
}

const lookInterval = millis(1000);

/** @param release the kernel's, `6.1.0-56-amd64` */
export function createHostSettings(parts: {
  readonly sysctls: Sysctls;
  readonly memory: SysctlMemory;
  readonly release: string;
  readonly clock: Clock;
  readonly log: Log;
}): HostSettings {
  const { sysctls, memory, clock, log } = parts;
  /** In the order in which they were made; what the kernel rewrites with a switch comes before the switch. */
  let changes: readonly SysctlChange[] = [];
  const holders = new Set<{ readonly user: SettingsUser; readonly family: Family }>();
  /** What has been set for them, by name. */
  const made = new Map<string, HostSetting>();
  /** What failed the last time, by name. */
  const failures = new Map<string, string>();
  let trouble: string | undefined;
  let next: Disposable | undefined;
  let last: Promise<unknown> = Promise.resolve();

  /** One thing at a time; what is held, or could not be given back, is looked at again later. */
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = last.then(work).finally(lookLater);
    last = done.catch(() => {});
    return done;
  };

  function lookLater(): void {
    next?.[Symbol.dispose]();
    if (holders.size === 0 && changes.length === 0) return;
    next = clock.at(plus(clock.now(), lookInterval), () => {
      void inTurn(holders.size > 0 ? mend : () => restore('not restored before'));
    });
  }

  async function needs(user: SettingsUser, family: Family): Promise<readonly HostSetting[]> {
    const forwards = family === 4 || (await sysctls.read('net/ipv6/conf/all/forwarding')) !== '0';
    const interfaces = forwards ? [] : await sysctls.list('net/ipv6/conf');
    const each = interfaces.map(async (device) => {
      const name = `net/ipv6/conf/${device}/forwarding`;
      return original(name, (await sysctls.read(name)) ?? '0') === '0' ? [device] : [];
    });
    return settingsFor(user, family, { release: parts.release, interfaces: (await Promise.all(each)).flat() });
  }

  async function remember(next: readonly SysctlChange[]): Promise<void> {
    changes = next;
    try {
      await memory.save(changes);
    } catch (error) {
      log.warn('kernel settings would stay changed after a crash', { because: error });
    }
  }

  /** Not again as long as it fails for the same reason. */
  function say(level: 'warn' | 'error', message: string, fields: LogFields): void {
    const about = String(fields.setting);
    const failure = `${message}: ${fields.because}`;
    if (failures.get(about) !== failure) log[level](message, fields);
    failures.set(about, failure);
  }

  /** @param isMending it has been so before, and somebody has changed it */
  async function set(setting: HostSetting, isMending: boolean): Promise<void> {
    const { name, value, from, necessary, because } = setting;
    try {
      const before = await sysctls.read(name);
      if (before === value || (from !== undefined && before !== from)) {
        failures.delete(name);
        return;
      }
      if (before === undefined) throw new KernelError(`read ${name}`, 'ENOENT');
      const previous = changes;
      const others = changes.filter((change) => change.name !== name);
      const lost = (await lostWith(name, before, value)).filter((one) => !others.some((o) => o.name === one.name));
      // First the memory, then the deed: a crash in between must not lose the old value.
      await remember([...others, ...lost, { name, before: original(name, before), value }]);
      try {
        await sysctls.write(name, value);
      } catch (error) {
        await remember(previous);
        throw error;
      }
      made.set(name, setting);
      failures.delete(name);
      if (isMending) {
        log.warn('kernel setting mended', {
          setting: name,
          from: before,
          to: value,
          because: 'changed by somebody else',
        });
      } else log.info('kernel setting', { setting: name, from: before, to: value, because });
    } catch (error) {
      if (necessary) throw error;
      say('warn', 'kernel setting not made', { setting: name, to: value, because: error });
    }
  }

  /** What the kernel rewrites with the setting and would not make the same again when the setting gets its old value back. */
  async function lostWith(name: string, before: string, value: string): Promise<readonly SysctlChange[]> {
    const names = await rewrittenWith(name, sysctls.list);
    const found = await Promise.all(
      names.map(async (one) => ({ name: one, now: await sysctls.read(one), rewritten: rewrittenBy(one) })),
    );
    return found.flatMap(({ name, now, rewritten }) =>
      now === undefined || rewritten === undefined || now === rewritten.value(before)
        ? []
        : [{ name, before: now, value: rewritten.value(value) }],
    );
  }

  /** What the setting was before vipd first changed it. */
  function original(name: string, now: string): string {
    return changes.find((change) => change.name === name)?.before ?? now;
  }

  /** Makes anew what somebody has changed. */
  async function mend(): Promise<void> {
    const troubles: string[] = [];
    const wanted = new Map(made);
    try {
      for (const { user, family } of holders) {
        for (const setting of await needs(user, family))
          if (!wanted.has(setting.name)) wanted.set(setting.name, setting);
      }
    } catch (error) {
      troubles.push(text(error));
    }
    for (const setting of wanted.values()) {
      try {
        await set(setting, true);
      } catch (error) {
        troubles.push(text(error));
        say('error', 'kernel setting changed by somebody else', { setting: setting.name, because: error });
      }
    }
    [trouble] = troubles;
  }

  /** What cannot be restored stays remembered. */
  async function restore(because: string): Promise<void> {
    const given = [...changes].reverse();
    const failed = new Map<string, unknown>();
    // Before the switches are written, which rewrite others.
    const wanted = new Map<string, string | undefined>();
    for (const change of given) {
      try {
        wanted.set(change.name, await restored(change));
      } catch (error) {
        failed.set(change.name, error);
      }
    }
    for (const { name, before } of given) {
      const by = rewrittenBy(name)?.switch;
      if (by !== undefined && failed.has(by)) failed.set(name, failed.get(by));
      if (failed.has(name)) continue;
      try {
        const [to, now] = [wanted.get(name), await sysctls.read(name)];
        if (to === undefined || now === undefined) continue;
        if (to !== before) log.info('kernel setting left as somebody else made it', { setting: name, now: to, before });
        if (now === to) continue;
        await sysctls.write(name, to);
        log.info('kernel setting', { setting: name, from: now, to, because });
      } catch (error) {
        failed.set(name, error);
      }
    }
    for (const { name } of given) {
      const error = failed.get(name);
      if (error === undefined) failures.delete(name);
      else say('error', 'kernel setting not restored', { setting: name, because: error });
    }
    if (changes.length > 0) await remember(changes.filter(({ name }) => failed.has(name)));
  }

  /** The old value, unless somebody has changed the setting meanwhile; undefined when it is gone, as with its interface. */
  async function restored({ name, before, value }: SysctlChange): Promise<string | undefined> {
    const now = await sysctls.read(name);
    const by = rewrittenBy(name);
    const switched = by === undefined ? undefined : await sysctls.read(by.switch);
    // Whoever wrote the switch meanwhile, the kernel has written this.
    const made = by === undefined || switched === undefined ? value : by.value(switched);
    return now === made ? before : now;
  }

  async function release(): Promise<void> {
    made.clear();
    trouble = undefined;
    await restore('no VIP is served by the kernel');
  }

  return {
    restoreLeftovers: () =>
      inTurn(async () => {
        changes = await memory.load();
        await restore('leftover');
      }),
    inherit: () =>
      inTurn(async () => {
        changes = await memory.load();
      }),
    async probe(user, family) {
      for (const { name, value, necessary } of await needs(user, family)) {
        if (!necessary) continue;
        if ((await sysctls.read(name)) === value) continue;
        const tried = triedWith(name);
        const now = await sysctls.read(tried);
        if (now === undefined) throw new KernelError(`read ${tried}`, 'ENOENT');
        await sysctls.write(tried, now);
      }
    },
    hold: (user, family) =>
      inTurn(async () => {
        try {
          for (const setting of await needs(user, family)) await set(setting, false);
        } catch (error) {
          if (holders.size === 0) {
            made.clear();
            await restore('not all could be made');
          }
          throw error;
        }
        const holder = { user, family };
        holders.add(holder);
        return {
          [Symbol.asyncDispose]: () =>
            inTurn(async () => {
              if (holders.delete(holder) && holders.size === 0) await release();
            }),
        };
      }),
    trouble: () => trouble,
  };
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
