import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { toSettings } from './assemble.js';
import { checkVips } from './checks.js';
import { deriveDefaults } from './derived.js';
import { type Entries, type Entry, type Origin, valuesOf } from './entry.js';
import { type Environment, unknownVariables, variable } from './environment.js';
import type { ConfigFile } from './file.js';
import { type Alias, type Aliases, readAliases } from './kube-vip/aliases.js';
import {
  configFlag,
  environmentName,
  globalSettings,
  type Setting,
  type SettingsTable,
  vipSettings,
} from './schema.js';
import { type FileValues, type Path, sortFileValues } from './sections.js';
import type { Settings } from './settings.js';

/** What settings are read from. */
export interface Sources {
  /** Flags by name without the dashes, `config` (the file) among them. */
  readonly flags: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly environment: Environment;
  readonly hostname: string;
  /** Where Kubernetes says in which namespace a pod is; that is asked only beside settings of kube-vip. */
  readonly namespaceFile?: string;
}

const namespaceFile = '/var/run/secrets/kubernetes.io/serviceaccount/namespace';

/** The settings in force with their origins, in the order of the table. */
export interface Effective {
  readonly global: Entries;
  readonly vips: readonly Entries[];
}

/** Settings without a problem. */
export interface LoadedSettings {
  readonly ok: true;
  readonly settings: Settings;
  readonly effective: Effective;
  /** Each is one line: a setting of kube-vip that means something else here, or nothing. */
  readonly warnings: readonly string[];
}

export type Loaded =
  | LoadedSettings
  /** Each problem is one line: where, which setting by its three names, what is wrong, the mend. */
  | { readonly ok: false; readonly problems: readonly string[] };

/**
 * Reads file, environment and flags; a flag wins over the environment, that over the file, that over the default. The flags and the
 * environment of a VIP's settings are those of the first VIP. Names of kube-vip count beside vipd's own, which win over them where
 * both are flags, or both variables. Everything that is wrong is reported at once. Never throws.
 */
export async function loadSettings(sources: Sources): Promise<Loaded> {
  const reader = await Reader.open(sources);
  if (reader.problems.length > 0 && reader.file === undefined) return { ok: false, problems: reader.problems };
  const global = reader.settle(globalSettings, [], reader.values.global, {
    'node.name': sources.hostname.toLowerCase(),
  });
  const vips = [...(reader.values.vips.length > 0 ? reader.values.vips : [new Map()])].map((values, index) => {
    const entries = reader.settle(vipSettings, ['vips', index], values, index === 0 ? { name: 'api' } : {});
    return deriveDefaults(entries);
  });
  reader.problems.push(...unknownVariables(sources.environment), ...reader.aliases.problems);
  reader.warnings.push(...reader.aliases.warnings);
  const values = vips.map((entries) => valuesOf<typeof vipSettings>(entries));
  const kubeconfig = valuesOf<typeof globalSettings>(global)['kubernetes.kubeconfig'];
  checkVips(values, kubeconfig !== undefined, (index, path, message, related) => {
    const entries = vips[index] ?? new Map<string, Entry>();
    const entry = entries.get(path);
    const isRefusedAlready = entry?.raw !== undefined && entry.value === undefined;
    if (isRefusedAlready) return;
    const origins = [path, ...related].map((involved) => entries.get(involved)?.origin);
    const origin = origins.find((candidate) => candidate !== undefined && candidate.kind !== 'default');
    reader.refuse(vipSettings[path], ['vips', index, ...path.split('.')], origin, message);
  });
  if (reader.problems.length > 0) return { ok: false, problems: [...new Set(reader.problems)] };
  const { warnings } = reader;
  return { ok: true, settings: toSettings(global, vips), effective: { global, vips }, warnings };
}

/** The daemon's socket for commands that ask it; other settings may be wrong. */
export async function loadAdminSocket(
  sources: Sources,
): Promise<
  { readonly ok: true; readonly path: string } | { readonly ok: false; readonly problems: readonly string[] }
> {
  const reader = await Reader.open(sources);
  if (reader.problems.length > 0 && reader.file === undefined) return { ok: false, problems: reader.problems };
  reader.problems.length = 0;
  const table = { 'admin.socket': globalSettings['admin.socket'] };
  const path = valuesOf<typeof table>(reader.settle(table, [], reader.values.global))['admin.socket'];
  return path === undefined ? { ok: false, problems: reader.problems } : { ok: true, path };
}

/** Collects values and problems from the three sources. */
class Reader {
  readonly problems: string[] = [];
  readonly warnings: string[] = [];
  values: FileValues = { global: new Map(), vips: [] };
  /** Undefined when none is named, or it cannot be read. */
  file: { readonly name: string; readonly content: ConfigFile } | undefined;
  private readonly sources: Sources;
  readonly aliases: Aliases;

  private constructor(sources: Sources, podNamespace: string | undefined) {
    this.sources = sources;
    this.aliases = readAliases(sources.flags, sources.environment, podNamespace);
  }

  static async open(sources: Sources): Promise<Reader> {
    const namespace = await readFile(sources.namespaceFile ?? namespaceFile, 'utf8').catch(() => '');
    const reader = new Reader(sources, namespace.trim() || undefined);
    const flag = sources.flags[configFlag];
    if (typeof flag === 'object' && flag.length > 1) {
      reader.problems.push(`flag --${configFlag}: given ${flag.length} times; name one file`);
      return reader;
    }
    const name =
      (typeof flag === 'object' ? flag[0] : flag) ?? variable(sources.environment, environmentName(configFlag));
    if (name !== undefined) await reader.readFile(name);
    return reader;
  }

  private async readFile(name: string): Promise<void> {
    let text: string;
    try {
      text = await readFile(name, 'utf8');
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? String(error);
      this.problems.push(`${name}: the file cannot be read (${code}) (--config, VIPD_CONFIG); name one that can`);
      return;
    }
    // Loaded only here: who configures by flags alone does not pay for the YAML reader.
    const { parseConfigFile } = await import('./file.js');
    const content = parseConfigFile(text);
    for (const { position, message } of content.syntaxProblems) {
      this.problems.push(`${name}:${position.line}:${position.column}: ${message}`);
    }
    if (content.syntaxProblems.length > 0) return;
    this.file = { name, content };
    this.values = sortFileValues(content.data, (path, message) =>
      this.refuse(undefined, path, this.fileOrigin(path), message),
    );
  }

  /** The entry of every setting of a table, whose place in the file is `at`. `computed`: defaults that are worked out. */
  settle<Table extends SettingsTable>(
    table: Table,
    at: Path,
    fileValues: ReadonlyMap<string, unknown>,
    computed: { readonly [Key in keyof Table]?: unknown } = {},
  ): Map<string, Entry> {
    const entries = new Map<string, Entry>();
    const isFirst = at.length === 0 || at[1] === 0;
    for (const [key, setting] of Object.entries(table)) {
      const path = [...at, ...key.split('.')];
      const written: { raw: unknown; origin: Origin }[] = [];
      if (isFirst) written.push(...this.overrides(setting, key, path));
      if (fileValues.has(key)) written.push({ raw: fileValues.get(key), origin: this.fileOrigin(path) });
      const fallback = (isFirst ? this.aliases.defaults.get(key) : undefined) ?? {
        raw: setting.default ?? computed[key],
        origin: { kind: 'default', words: setting.defaultWords } as const,
      };
      if (written.length === 0) written.push(fallback);
      const origin = written[0]?.origin ?? fallback.origin;
      if (written.every(({ raw }) => raw === undefined) && setting.missing !== undefined) {
        this.refuse(setting, path, origin, setting.missing);
      }
      // What is overridden is checked too: it is as wrong as if it counted.
      const read = written.map(({ raw, origin }) => ({
        setting,
        raw,
        origin,
        value: this.check(setting, path, raw, origin),
      }));
      entries.set(key, read[0] ?? { setting, value: undefined, ...fallback });
    }
    return entries;
  }

  /** Notes one problem. `origin` undefined: nothing was written. */
  refuse(
    setting: Setting<unknown> | undefined,
    path: Path,
    origin: Origin | undefined,
    message: string,
    inner: Path = [],
  ): void {
    const names =
      setting === undefined || (path[0] === 'vips' && path[1] !== 0)
        ? ''
        : ` (--${setting.flag}, ${environmentName(setting.flag)})`;
    const where = inner.length > 0 && origin?.kind === 'file' ? this.fileOrigin([...path, ...inner]) : origin;
    this.problems.push(`${this.where(where)}${pathText([...path, ...inner])}${names}: ${message}`);
  }

  private check(setting: Setting<unknown>, path: Path, raw: unknown, origin: Origin): unknown {
    if (raw === undefined) return undefined;
    const result = setting.kind.schema.safeParse(raw);
    if (result.success) return result.data;
    for (const issue of result.error.issues) {
      this.refuse(
        setting,
        path,
        origin,
        issue.message,
        issue.path.filter((step) => typeof step !== 'symbol'),
      );
    }
    return undefined;
  }

  private overrides(setting: Setting<unknown>, key: string, path: Path): { raw: unknown; origin: Origin }[] {
    const found: { raw: unknown; origin: Origin }[] = [];
    const alias = this.aliases.settings.get(key);
    const given = this.sources.flags[setting.flag];
    const texts = typeof given === 'string' ? [given] : (given ?? []);
    const flag: Origin = { kind: 'flag', name: `--${setting.flag}` };
    if (texts.length > 1 && !setting.kind.isList)
      this.refuse(setting, path, flag, `given ${texts.length} times; give it once`);
    // A flag that kube-vip has too is read as its own: others of its flags have a part in what it means.
    const isShared = alias?.origin.kind === 'flag' && alias.origin.name === flag.name;
    if (texts.length > 0 && !isShared) found.push({ raw: setting.kind.fromText(texts.join(',')), origin: flag });
    if (alias?.rank === 'flag') this.putAlias(alias, setting, flag.name, found);
    const name = environmentName(setting.flag);
    const text = variable(this.sources.environment, name);
    if (text !== undefined) found.push({ raw: setting.kind.fromText(text), origin: { kind: 'environment', name } });
    if (alias?.rank === 'environment') this.putAlias(alias, setting, name, found);
    return found;
  }

  /** Puts it behind the value that is given by vipd's own name, `own`, if there is one; that it loses to another is said. */
  private putAlias(
    alias: Alias,
    setting: Setting<unknown>,
    own: string,
    found: { raw: unknown; origin: Origin }[],
  ): void {
    const winner = found.find(({ origin }) => origin.kind === alias.rank && origin.name === own);
    found.push(alias);
    // lb_enable says that there is a load balancer, and leaves open which.
    if (winner === undefined || alias.raw === 'auto') return;
    const [mine, its] = [winner.raw, alias.raw].map((raw) => setting.kind.schema.safeParse(raw));
    if (!isDeepStrictEqual(mine?.data, its?.data)) this.warnings.push(`${this.where(alias.origin)}${own} wins over it`);
  }

  private where(origin: Origin | undefined): string {
    switch (origin?.kind) {
      case 'flag':
        return `flag ${origin.name}: `;
      case 'environment':
        return `environment ${origin.name}: `;
      case 'pod':
        return "the pod's service account: ";
      case 'file':
        return `${origin.file}:${origin.position.line}:${origin.position.column}: `;
      default:
        return this.file === undefined ? '' : `${this.file.name}: `;
    }
  }

  private fileOrigin(path: Path): Origin {
    const position = this.file?.content.positionOf(path) ?? { line: 1, column: 1 };
    return { kind: 'file', file: this.file?.name ?? '', position };
  }
}

function pathText(path: Path): string {
  return path.reduce<string>(
    (text, step) => (typeof step === 'number' ? `${text}[${step}]` : text === '' ? step : `${text}.${step}`),
    '',
  );
}
