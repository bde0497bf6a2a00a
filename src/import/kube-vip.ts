import { carryOver, kubeVipFlags, kubeVipSettings } from '../config/kube-vip/carry.js';
import { globalSettings, type Setting, vipSettings } from '../config/schema.js';
import type { Found, FoundSettings, Remarks, SourceText } from './found.js';
import { type Container, readManifests } from './kube-vip-manifest.js';
import type { ImportedVip } from './vips.js';

/** What a manifest of kube-vip says: a VIP, and settings of the whole daemon by their paths. */
export interface KubeVip {
  readonly vip: ImportedVip;
  readonly globals: FoundSettings;
}

/** What is set, by the names of kube-vip's settings. */
type Values = ReadonlyMap<string, Found<string>>;

const known = new Set(kubeVipSettings.map(({ name }) => name));

/**
 * Reads the control-plane VIP out of manifests of kube-vip. What is empty or asks for nothing has no remark.
 * @throws Unreadable where it is not YAML
 */
export function readKubeVip(source: SourceText, remarks: Remarks): readonly KubeVip[] {
  const [container, ...others] = readManifests(source);
  if (container === undefined) {
    remarks.note({ file: source.file, line: 1 }, [source.file], 'no container of kube-vip is in it');
    return [];
  }
  for (const other of others)
    remarks.notCarried(
      other.place,
      ['kube-vip'],
      `line ${container.place.line} has another; one file is for one of them`,
    );
  const values = valuesOf(container, remarks);
  const texts = new Map([...values].map(([name, { value }]) => [name, value]));
  const { settings, defaults, remarks: said, hasControlPlane } = carryOver(texts);
  if (!hasControlPlane) {
    remarks.notCarried(container.place, ['kube-vip'], 'cp_enable is not true, so it has no VIP of a control plane');
    return [];
  }
  const vip: ImportedVip = {
    name: { value: 'api', place: container.place },
    settings: new Map(),
    lists: new Map(),
  };
  const globals: FoundSettings = new Map();
  const placeOf = (name: string | undefined) => values.get(name ?? '')?.place ?? container.place;
  for (const [path, { raw, from }] of new Map([...defaults, ...settings])) {
    const place = placeOf(from);
    const table: Readonly<Record<string, Setting<unknown>>> = { ...globalSettings, ...vipSettings };
    if (Array.isArray(raw) && table[path]?.kind.isList === true)
      vip.lists.set(
        path,
        raw.map((value: unknown) => ({ value, place })),
      );
    else (path in globalSettings ? globals : vip.settings).set(path, { value: raw, place });
  }
  const [port] = vip.lists.get('loadBalancer.ports') ?? [{ value: 6443 }];
  if (vip.settings.get('loadBalancer.backends.port')?.value === port?.value)
    vip.settings.delete('loadBalancer.backends.port');
  if (!settings.has('addresses')) remarks.note(container.place, ['kube-vip'], 'it has no address; write addresses');
  if (!['vip_leaseduration', 'vip_renewdeadline', 'vip_retryperiod'].some((name) => texts.has(name)))
    remarks.note(
      container.place,
      ['kube-vip'],
      'it has no lease times: 15s, 10s, 2s are written, as kube-vip has them since March 2026; before, it had 5s, 3s, 1s',
    );
  for (const { name, kind, sentence } of said) {
    const words = [name, texts.get(name) ?? ''];
    if (kind === 'note') remarks.note(placeOf(name), words, sentence);
    else remarks.notCarried(placeOf(name), words, sentence);
  }
  for (const [name, { value, place }] of values) {
    if (!known.has(name) && value !== 'false') remarks.notCarried(place, [name, value], 'vipd has nothing like it');
  }
  return [{ vip, globals }];
}

/** Flags and environment; of both the environment wins, as in kube-vip. */
function valuesOf({ args, environment }: Container, remarks: Remarks): Values {
  const values = new Map<string, Found<string>>();
  for (let i = 0; i < args.length; i++) {
    const { value: text = '', place } = args[i] ?? {};
    const [, flag = '', , joined] = /^--?([A-Za-z0-9-]+)(=(.*))?$/s.exec(text) ?? [];
    if (flag === '' || place === undefined) continue;
    const next = args[i + 1]?.value;
    const setting = kubeVipFlags.get(flag);
    const takesNext = joined === undefined && setting?.isSwitch !== true && next !== undefined && !next.startsWith('-');
    const value = joined ?? (takesNext ? next : 'true');
    if (setting === undefined) remarks.notCarried(place, [text], 'vipd has nothing like it');
    else values.set(setting.name, { value, place });
    if (takesNext) i++;
  }
  for (const { name, value } of environment) {
    if (value === undefined) {
      const because = 'the cluster fills it in; vipd calls a node by its host name: write node.name where that differs';
      remarks.notCarried(name.place, [name.value], name.value === 'vip_nodename' ? because : 'the cluster fills it in');
    } else if (value !== '') values.set(name.value, { value, place: name.place });
  }
  return values;
}
