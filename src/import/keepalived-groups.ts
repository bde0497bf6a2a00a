import type { Found, FoundSettings, Remarks } from './found.js';
import type { Instance } from './instance.js';
import { instanceReasons, leaveOut } from './keepalived-reasons.js';
import type { ImportedInterface, ImportedScript, Tracked } from './keepalived-tracking.js';
import type { Statement } from './statements.js';

/**
 * Instances that a group moves together become one VIP, if everything but their addresses is the same: an election of vipd has
 * one set of settings.
 */
export function joinGroup(group: Statement, instances: readonly Instance[], remarks: Remarks): readonly Instance[] {
  const members: Instance[] = [];
  for (const inner of group.block ?? []) {
    if (inner.words[0] !== 'group') {
      leaveOut(inner, instanceReasons, remarks);
      continue;
    }
    const names = [...inner.words.slice(1), ...(inner.block ?? []).flatMap(({ words }) => words)];
    for (const name of names) {
      const member = instances.find((instance) => instance.name.value === name);
      if (member === undefined) remarks.notCarried(inner.place, [name], 'no vrrp_instance has this name');
      else if (!members.includes(member)) members.push(member);
    }
  }
  const [first, ...others] = members;
  if (first === undefined || others.length === 0) {
    remarks.notCarried(group.place, group.words, 'it does not have two instances');
    return instances;
  }
  const different = new Set(others.flatMap((other) => differences(first.settings, other.settings)));
  for (const what of trackedOtherwise(members.map(({ tracked }) => tracked))) different.add(what);
  if (different.size > 0) {
    const because = `its instances differ in ${[...different].join(', ')}, so each is a VIP of its own that moves by itself`;
    remarks.notCarried(group.place, group.words, because);
    return instances;
  }
  noteTrackedBySome(members, group.words[1] ?? '', remarks);
  const joined: Instance = {
    ...first,
    addresses: members.flatMap(({ addresses }) => addresses),
    tracked: {
      scripts: once(members.flatMap(({ tracked }) => tracked.scripts)),
      interfaces: once(members.flatMap(({ tracked }) => tracked.interfaces)),
    },
  };
  return instances.flatMap((instance) => (instance === first ? [joined] : others.includes(instance) ? [] : [instance]));
}

type Item = Found<ImportedScript | ImportedInterface>;

/** What several members track, but with other weights. */
function trackedOtherwise(tracked: readonly Tracked[]): readonly string[] {
  const weight = ({ value }: Item) => `${value.weight ?? 0} ${value.reverse ?? false}`;
  const among = (keyword: string, items: readonly Item[]) =>
    items
      .filter((item) => items.some((other) => other.value.name === item.value.name && weight(other) !== weight(item)))
      .map(({ value }) => `${keyword} ${value.name}`);
  const scripts = tracked.flatMap((by) => by.scripts);
  const interfaces = tracked.flatMap((by) => by.interfaces);
  return [...among('track_script', scripts), ...among('track_interface', interfaces)];
}

/** What some members track and others do not: in keepalived too a fault of one is one of the group. */
function noteTrackedBySome(members: readonly Instance[], group: string, remarks: Remarks): void {
  const note = (words: readonly string[], lists: readonly (readonly Item[])[]): void => {
    for (const { value, place } of lists.flat()) {
      if (lists.every((list) => list.some((item) => item.value.name === value.name))) continue;
      const sentence = `not every instance of the group ${group} tracks it; their one VIP does`;
      remarks.note(place, [...words, value.name], sentence);
    }
  };
  const tracked = members.map((member) => member.tracked);
  const scripts = tracked.map((by) => by.scripts);
  const interfaces = tracked.map((by) => by.interfaces);
  note(['vrrp_script'], scripts);
  note(['track_interface'], interfaces);
}

/** What several members track is tracked once: it is the same by now. */
function once<T extends Item>(items: readonly T[]): T[] {
  return items.filter(({ value }, i) => items.findIndex((other) => other.value.name === value.name) === i);
}

function differences(a: FoundSettings, b: FoundSettings): string[] {
  const text = (settings: FoundSettings, path: string) => JSON.stringify(settings.get(path)?.value);
  return [...new Set([...a.keys(), ...b.keys()])].filter((path) => text(a, path) !== text(b, path));
}
