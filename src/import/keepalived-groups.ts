import type { FoundSettings, Remarks } from './found.js';
import type { Instance } from './instance.js';
import { instanceReasons, leaveOut } from './keepalived-reasons.js';
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
  if (different.size > 0) {
    const because = `its instances differ in ${[...different].join(', ')}, so each is a VIP of its own that moves by itself`;
    remarks.notCarried(group.place, group.words, because);
    return instances;
  }
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

/** What several members track is tracked once. */
function once<T extends { readonly value: { readonly name: string } }>(items: readonly T[]): T[] {
  return items.filter(({ value }, i) => items.findIndex((other) => other.value.name === value.name) === i);
}

function differences(a: FoundSettings, b: FoundSettings): string[] {
  const text = (settings: FoundSettings, path: string) => JSON.stringify(settings.get(path)?.value);
  return [...new Set([...a.keys(), ...b.keys()])].filter((path) => text(a, path) !== text(b, path));
}
