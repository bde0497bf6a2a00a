import { type IncomingMessage, request } from 'node:http';
import { request as requestTls } from 'node:https';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Clock } from '../time/clock.js';
import { type ProbeOrder, type ProbeResult, runProbe } from './probe.js';

// The process that does the lab's bidding inside one namespace. One JSON document a line, in both directions.

/** One HTTP exchange: what to send. */
export interface Call {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** `id` is the asker's; whatever comes of the order carries it. */
export type AgentOrder =
  | { readonly id: number; readonly probe: ProbeOrder }
  | { readonly id: number; readonly stop: true }
  | { readonly id: number; readonly call: Call };

export type AgentReport =
  | { readonly id: number; readonly result: ProbeResult }
  | { readonly id: number; readonly ended: true }
  | { readonly id: number; readonly answer: Answer }
  | { readonly id: number; readonly failure: string };

/** Carries out the orders that arrive on `input`, until it ends. */
export async function serveAgent(input: Readable, output: { write(text: string): void }, clock: Clock): Promise<void> {
  const stops = new Map<number, AbortController>();
  const report = (message: AgentReport) => output.write(`${JSON.stringify(message)}\n`);

  async function carryOut(order: AgentOrder): Promise<void> {
    const { id } = order;
    if ('stop' in order) {
      stops.get(id)?.abort();
    } else if ('call' in order) {
      try {
        report({ id, answer: await call(order.call) });
      } catch (error) {
        report({ id, failure: String(error) });
      }
    } else {
      const stop = new AbortController();
      stops.set(id, stop);
      await runProbe(order.probe, clock, stop.signal, (result) => report({ id, result }));
      stops.delete(id);
      report({ id, ended: true });
    }
  }

  for await (const line of createInterface({ input })) void carryOut(JSON.parse(line));
  for (const stop of stops.values()) stop.abort();
}

function call({ method, url, headers, body }: Call): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { method, headers, timeout: 10_000, agent: false };
    const answered = (response: IncomingMessage) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    };
    // The lab's own API on the lab's own switch: there is nobody else to be mistaken for it.
    const sent = url.startsWith('https:')
      ? requestTls(url, { ...options, rejectUnauthorized: false }, answered)
      : request(url, options, answered);
    sent.once('timeout', () => sent.destroy(new Error(`no answer from ${url}`)));
    sent.once('error', reject);
    sent.end(body);
  });
}
