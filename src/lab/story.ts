import type { Clock } from '../time/clock.js';
import { millis } from '../time/instant.js';
import type { Program } from './client.js';
import { type Cluster, vip, vipPort } from './cluster.js';
import { createReport, type Finding, type Output, type Row } from './report.js';
import { type Stage, steps } from './steps.js';

export interface StoryOptions {
  readonly program: Program;
  readonly clock: Clock;
  readonly output: Output;
  /** Nodes on which no vipd is started. */
  readonly withoutVipd: readonly string[];
}

/** The defaults of vipd's settings, which the lab leaves alone. */
const timings = { leaseDuration: millis(5000), deadManSwitch: millis(3000) };

/** Runs the steps up to the first that cannot be finished (a figure beyond its limit fails the lab, not the story), and prints them and the closing table. Returns whether all were as promised. */
export async function tellStory(cluster: Cluster, options: StoryOptions): Promise<boolean> {
  const { program, clock, output, withoutVipd } = options;
  const report = createReport(output);
  const names = cluster.nodes.map((node) => node.name);
  report.title(`${vip}:${vipPort} on ${names.join(', ')}; Kubernetes API: ${cluster.api.description}`);
  const staffed = cluster.nodes.filter((node) => !withoutVipd.includes(node.name));
  const stage: Stage = { cluster, program, clock, staffed, timings, say: report.say };
  const rows: Row[] = [];
  let failed = false;
  let stuck = false;
  for (const step of steps) {
    if (stuck) {
      rows.push({ step: step.name, findings: undefined });
      continue;
    }
    report.step(step.title);
    const findings = await step.run(stage).catch((error: Error): readonly Finding[] => [obstacle(error)]);
    for (const finding of findings) report.finding(finding);
    rows.push({ step: step.name, findings });
    if (findings.some((finding) => !finding.ok)) failed = true;
    stuck = findings.some((finding) => finding.what === obstacleName);
  }
  report.table(rows);
  return !failed;
}

const obstacleName = 'stopped';

function obstacle(error: Error): Finding {
  return { ok: false, what: obstacleName, figure: error.message };
}
