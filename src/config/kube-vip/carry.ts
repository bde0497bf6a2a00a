import { controlPlane } from './control-plane.js';
import { elsewhere } from './elsewhere.js';
import { type GivenTexts, type KubeVipSetting, type SettingPath, truth, wholeNumber } from './setting.js';

/** Every setting of kube-vip. */
export const kubeVipSettings: readonly KubeVipSetting[] = [...controlPlane, ...elsewhere];

const byName = new Map(kubeVipSettings.map((setting) => [setting.name, setting]));

/** The settings by flag, without dashes. */
export const kubeVipFlags: ReadonlyMap<string, KubeVipSetting> = new Map(
  kubeVipSettings.flatMap((setting) => setting.flags.map((flag) => [flag, setting] as const)),
);

/** What kube-vip's settings are in vipd. */
export interface CarriedOver {
  /** By vipd's paths, as a file would write them, and which setting each comes from. */
  readonly settings: ReadonlyMap<SettingPath, { readonly raw: unknown; readonly from: string }>;
  /** What vipd takes where nothing is written, other than its own defaults; `from`, where a setting is the reason. */
  readonly defaults: ReadonlyMap<SettingPath, { readonly raw: unknown; readonly from: string | undefined }>;
  readonly remarks: readonly KubeVipRemark[];
  readonly hasControlPlane: boolean;
}

/** Something to be said about a setting. */
export interface KubeVipRemark {
  readonly name: string;
  readonly kind: 'refused' | 'ignored' | 'note';
  readonly sentence: string;
}

/** Says values of kube-vip, by the names of the table, in vipd's words. Names that are not in the table are passed over. */
export function carryOver(texts: ReadonlyMap<string, string>): CarriedOver {
  const given: GivenTexts = {
    text: (name) => texts.get(name),
    isOn: (name) => truth(texts.get(name) ?? '') === true,
  };
  const settings = new Map<SettingPath, { readonly raw: unknown; readonly from: string }>();
  const remarks: KubeVipRemark[] = [];
  for (const [name, text] of texts) {
    const outcome = byName.get(name)?.carry(text, given) ?? {};
    for (const [path, raw] of Object.entries(outcome.set ?? {})) settings.set(path as SettingPath, { raw, from: name });
    for (const kind of ['refused', 'ignored', 'note'] as const) {
      const sentence = outcome[kind];
      if (sentence !== undefined) remarks.push({ name, kind, sentence });
    }
  }
  return { settings, defaults: defaultsBeside(given), remarks, hasControlPlane: given.isOn('cp_enable') };
}

/** kube-vip's defaults where they differ from vipd's. */
function defaultsBeside(given: GivenTexts): CarriedOver['defaults'] {
  const defaults = new Map<SettingPath, { readonly raw: unknown; readonly from: string | undefined }>();
  const put = (path: SettingPath, raw: unknown, from?: string) => defaults.set(path, { raw, from });
  put('election.lease.duration', '15s');
  put('election.lease.renewDeadline', '10s');
  put('election.lease.retryPeriod', '2s');
  put('loadBalancer.mode', 'off');
  if (given.isOn('lb_enable') && given.text('lb_port') !== undefined) put('loadBalancer.backends.port', 6443);
  // A dead leader's address must be gone before another node may take the Lease.
  const secondsOf = (name: string, usual: number) => wholeNumber(given.text(name), 1, 86_400) ?? usual;
  const longest = secondsOf('vip_leaseduration', 15) - secondsOf('vip_retryperiod', 2);
  const cause = given.text('vip_leaseduration') === undefined ? 'vip_retryperiod' : 'vip_leaseduration';
  if (longest < 3) put('deadManSwitch', `${Math.max(1, longest)}s`, cause);
  return defaults;
}
