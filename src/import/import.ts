import { fit, fitSettings } from './fit.js';
import { placeText, printable, type Remark, Remarks, type SourceText, Unreadable } from './found.js';
import { readHaproxy } from './haproxy.js';
import { readKeepalived } from './keepalived.js';
import { readKubeVip } from './kube-vip.js';
import { readNginx } from './nginx.js';
import { printImported } from './print.js';
import { joinVips, nameVips } from './vips.js';

/** The files that people have, as far as they are given. */
export interface ImportSources {
  readonly keepalived: SourceText | undefined;
  readonly haproxy: SourceText | undefined;
  readonly nginx: SourceText | undefined;
  readonly 'kube-vip': SourceText | undefined;
}

export type Imported =
  /** `yaml` is the file of vipd; `remarks` say what is not in it, line by line. */
  | { readonly ok: true; readonly yaml: string; readonly remarks: readonly Remark[] }
  /** A file is not what it is said to be: one line for each. */
  | { readonly ok: false; readonly problems: readonly string[] };

/** Reads the files and says them in vipd's words. Nothing in them is dropped without a remark. Never throws. */
export function importFiles(sources: ImportSources): Imported {
  const remarks = new Remarks();
  const problems: string[] = [];
  const read = <T>(source: SourceText | undefined, reader: (source: SourceText, remarks: Remarks) => readonly T[]) => {
    if (source === undefined) return [];
    try {
      if (source.text.includes('\0')) throw new Unreadable({ file: source.file, line: 1 }, 'it is not a text file');
      return reader(source, remarks);
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      problems.push(`${placeText(error.place)}: ${printable(error.message, 400)}`);
      return [];
    }
  };
  const both = read(sources.keepalived, (source) => [readKeepalived(source, remarks)]);
  const instances = both.flatMap((keepalived) => keepalived.instances);
  const services = [
    ...both.flatMap((keepalived) => keepalived.services),
    ...read(sources.haproxy, readHaproxy),
    ...read(sources.nginx, readNginx),
  ];
  const manifests = read(sources['kube-vip'], readKubeVip);
  if (problems.length > 0) return { ok: false, problems };
  const found = [...joinVips(instances, services, remarks), ...manifests.map(({ vip }) => vip)];
  const vips = nameVips(found).map((vip) => fit(vip, remarks));
  const globals = fitSettings(new Map(manifests.flatMap((manifest) => [...manifest.globals])), remarks);
  const files = Object.values(sources).flatMap((source) => (source === undefined ? [] : [source.file]));
  return { ok: true, yaml: printImported(vips, globals, files), remarks: remarks.inOrder() };
}
