import type { globalSettings, vipSettings } from '../schema.js';

export type SettingPath = keyof typeof globalSettings | keyof typeof vipSettings;

/** What becomes of a value of kube-vip. Nothing at all: it asks for nothing that vipd does not do anyway. */
export interface Outcome {
  /** Settings of vipd (of the first VIP, or of the daemon), as a file would write them. */
  readonly set?: Partial<Record<SettingPath, unknown>>;
  /** Why it is not carried over. */
  readonly ignored?: string;
  /** It is carried over, but means something else. */
  readonly note?: string;
  /** Why vipd does not start with it, and the mend. */
  readonly refused?: string;
}

/** All values that are given, by the names of the table; empty ones are not there. */
export interface GivenTexts {
  text(name: string): string | undefined;
  /** Whether a switch is there and on. */
  isOn(name: string): boolean;
}

/** What vipd makes of a setting, for the documentation. */
export type Verdict = 'same' | 'better' | 'other' | 'ignored' | 'refused';

/** One setting of kube-vip. */
export interface KubeVipSetting {
  /** The environment's; that of the flag, with dashes, where there is none. */
  readonly name: string;
  /** Undefined: the setting is a flag alone. */
  readonly variable: string | undefined;
  /** Without dashes; one of a single letter is short. */
  readonly flags: readonly string[];
  readonly isSwitch: boolean;
  readonly verdict: Verdict;
  /** For the documentation: what it is in vipd, or why it is nothing. */
  readonly doc: string;
  readonly carry: (text: string, given: GivenTexts) => Outcome;
}

type Names = readonly [variable: string | undefined, ...flags: string[]];

/** A setting with a text or a number. */
export function value(
  names: Names,
  verdict: Verdict,
  doc: string,
  carry: KubeVipSetting['carry'] = () => ({}),
): KubeVipSetting {
  const [variable, ...flags] = names;
  return { name: variable ?? `--${flags[0]}`, variable, flags, isSwitch: false, verdict, doc, carry };
}

/** A setting that is on or off. `carry` undefined: nothing comes of it. */
export function toggle(
  names: Names,
  verdict: Verdict,
  doc: string,
  carry: (isOn: boolean, given: GivenTexts) => Outcome = () => ({}),
): KubeVipSetting {
  return {
    ...value(names, verdict, doc, (text, given) => {
      const isOn = truth(text);
      return isOn === undefined ? { refused: 'it is neither true nor false; write one of them' } : carry(isOn, given);
    }),
    isSwitch: true,
  };
}

/** What is said only when the switch is on. */
export function whenOn(outcome: Outcome): (isOn: boolean) => Outcome {
  return (isOn) => (isOn ? outcome : {});
}

/** As Go's strconv.ParseBool reads it. */
export function truth(text: string): boolean | undefined {
  if (/^(1|t|T|true|True|TRUE)$/.test(text)) return true;
  return /^(0|f|F|false|False|FALSE)$/.test(text) ? false : undefined;
}

/** The number that the digits say, if it lies between the two. */
export function wholeNumber(text: string | undefined, min: number, max: number): number | undefined {
  if (text === undefined || !/^[+-]?\d{1,15}$/.test(text)) return undefined;
  const number = Number(text);
  return number >= min && number <= max ? number : undefined;
}
