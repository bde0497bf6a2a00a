import { createInterface } from 'node:readline';
import type { AgentOrder, AgentReport, Answer, Call } from './agent.js';
import type { Namespace } from './network.js';
import type { ProbeOrder, ProbeResult } from './probe.js';

/** How this program is started again for a part of the lab: the interpreter and the script. */
export interface Program {
  readonly node: string;
  readonly script: string;
  /** The process id of the caller: owner of the namespaces. */
  readonly pid: number;
}

/** A probe that runs in a namespace. */
export interface Probe {
  /** What came back so far, in the order of the attempts' ends. */
  readonly results: readonly ProbeResult[];
  /** Ends it (at once if its count is reached) and gives all results, those of the attempts under way included. */
  stop(): Promise<readonly ProbeResult[]>;
  /** All results of a probe with a count. */
  readonly ended: Promise<readonly ProbeResult[]>;
}

/** A process in a namespace that connects and asks on the lab's behalf. */
export interface Client {
  probe(order: ProbeOrder): Probe;
  /** One HTTP exchange; rejects with an Error when there is no answer. */
  call(call: Call): Promise<Answer>;
}

/** Starts the process; it ends with the namespace's network. */
export function startClient(namespace: Namespace, program: Program): Client {
  const child = namespace.spawn(program.node, [program.script, 'lab-agent'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const { stdin, stdout } = child;
  if (stdin === null || stdout === null) throw new Error('the agent has no pipes');
  const waiting = new Map<number, (report: AgentReport) => void>();
  let lastId = 0;
  let gone = false;
  const order = (message: AgentOrder) => {
    if (gone) waiting.get(message.id)?.({ id: message.id, failure: 'the agent ended' });
    else stdin.write(`${JSON.stringify(message)}\n`);
  };
  stdin.on('error', () => {});
  createInterface({ input: stdout }).on('line', (line) => {
    const report: AgentReport = JSON.parse(line);
    waiting.get(report.id)?.(report);
  });
  child.once('exit', () => {
    gone = true;
    for (const [id, tell] of waiting) tell({ id, failure: 'the agent ended' });
  });

  return {
    probe(probe) {
      const id = ++lastId;
      const results: ProbeResult[] = [];
      const ended = new Promise<readonly ProbeResult[]>((resolve, reject) => {
        waiting.set(id, (report) => {
          if ('result' in report) results.push(report.result);
          else if ('ended' in report) resolve(results);
          else if ('failure' in report) reject(new Error(report.failure));
        });
      });
      order({ id, probe });
      // Who never asks how it ended has no use for its failure either.
      ended.catch(() => {});
      const stop = () => {
        order({ id, stop: true });
        return ended;
      };
      return { results, ended, stop };
    },
    call(call) {
      const id = ++lastId;
      return new Promise((resolve, reject) => {
        waiting.set(id, (report) => {
          waiting.delete(id);
          if ('answer' in report) resolve(report.answer);
          else if ('failure' in report) reject(new Error(report.failure));
        });
        order({ id, call });
      });
    },
  };
}
